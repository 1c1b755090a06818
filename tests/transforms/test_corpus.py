import collections

import pytest
from apache_beam.pvalue import TaggedOutput

from favor.media.files import WindowKey
from favor.media.listing import list_media
from favor.media.sampling import Sampling
from transforms.corpus import MEDIA, SEGMENT_MS, WHOLE_CORPUS, ListCorpus, Plan, Shard
from transforms.failures import FAILURES
from transforms.records import CAPTIONS, Identity, Question

IDENTITY = Identity("favor-mini", "r1", "auto", "even", "{}")
CAPTION = Question(CAPTIONS, "caption", "What?")
KEY = WindowKey("m", 0, 1)


def outputs(dofn, *elements):
    """What a DoFn yields, by tag; the main output is called ``main``."""
    collected = collections.defaultdict(list)
    for element in elements:
        for item in dofn.process(element):
            tagged = isinstance(item, TaggedOutput)
            collected[item.tag if tagged else "main"].append(item.value if tagged else item)
    return collected


def plan(*media, questions=(CAPTION,), window_ms=500, done=frozenset(), shard=WHOLE_CORPUS):
    dofn = Plan(questions, IDENTITY, Sampling(32, "even", window_ms), shard, lambda: done)
    dofn.setup()
    return outputs(dofn, *media)


def jobs(planned):
    return [job for segment in planned["main"] for job in segment.jobs]


@pytest.fixture
def media(plain_clip):
    (found,) = list_media(str(plain_clip))
    return found


def test_a_file_named_twice_is_listed_once(plain_clip):
    listed = outputs(ListCorpus(WHOLE_CORPUS), (str(plain_clip), str(plain_clip.parent)))
    assert [file.uri for file in listed["main"]] == [str(plain_clip)]
    assert not listed[FAILURES]


def test_a_pattern_that_leads_nowhere_is_a_failure(tmp_path):
    listed = outputs(ListCorpus(WHOLE_CORPUS), (f"{tmp_path}/*.mp4",))
    assert [(row.uri, row.code, row.stage) for row in listed[FAILURES]] == [(f"{tmp_path}/*.mp4", "not_found", "list")]


def test_windows_tile_the_file(media):
    planned = plan(media)
    keys = [job.key for job in jobs(planned)]
    assert keys[0].start_ms == 0
    assert [key.end_ms for key in keys[:-1]] == [key.start_ms for key in keys[1:]]
    assert planned[MEDIA][0].windows == len(keys)
    assert planned[MEDIA][0].duration_ms == keys[-1].end_ms


def test_a_broken_file_is_a_failure(tmp_path):
    (tmp_path / "bad.mkv").write_bytes(b"nothing of the kind")
    planned = plan(*list_media(str(tmp_path / "bad.mkv")))
    assert [row.stage for row in planned[FAILURES]] == ["probe"]
    assert not planned["main"]
    assert not planned[MEDIA]


def test_what_is_done_is_not_planned_again(media):
    first, *_ = jobs(plan(media))
    done = frozenset({IDENTITY.result_id(IDENTITY.window_id(first.key), CAPTION)})
    left = jobs(plan(media, done=done))
    assert first.key not in [job.key for job in left]
    assert len(left) == len(jobs(plan(media))) - 1


def test_a_question_about_another_file_is_not_asked(media):
    other = Question(CAPTIONS, "other", "What?", uri="/other.mp4")
    assert {job.questions for job in jobs(plan(media, questions=(CAPTION, other)))} == {(CAPTION,)}
    assert jobs(plan(media, questions=(other,))) == []


def test_shards_share_the_segments_of_one_file(media):
    shards = [Shard(index, 2) for index in range(2)]
    planned = [plan(media, window_ms=500, shard=shard) for shard in shards]
    assert sorted(job.key for part in planned for job in jobs(part)) == [job.key for job in jobs(plan(media))]
    assert sum(len(part[MEDIA]) for part in planned) == 1


def test_a_segment_is_about_five_minutes_long(media, monkeypatch):
    monkeypatch.setattr("transforms.corpus.spans", lambda duration_ms, window_ms: [(i, i + 1) for i in range(100)])
    segments = plan(media, window_ms=30_000)["main"]
    assert {len(segment.jobs) for segment in segments} == {SEGMENT_MS // 30_000}


def test_ids_change_with_what_decides_the_text():
    window = IDENTITY.window_id(KEY)
    assert window == IDENTITY.window_id(KEY)
    assert window != Identity("favor-mini", "r1", "auto", "released", "{}").window_id(KEY)
    assert IDENTITY.result_id(window, CAPTION) != Identity("m", "r2", "auto", "even", "{}").result_id(window, CAPTION)
