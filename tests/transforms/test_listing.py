import collections
import contextlib
import dataclasses
import datetime
import itertools
import sys
from pathlib import Path

import pytest

from favor.media.corpus.files import Entry, WindowKey
from favor.media.corpus.listing import list_media
from favor.media.corpus.selection import Selection
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.needs import ClipNeeds
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from transforms.elements import WHOLE_CORPUS, Identity, Question, Shard
from transforms.history import History, RetryPolicy, StandingFailure
from transforms.listing import Lister
from transforms.metrics import Tally
from transforms.planning import SEGMENT_MS, Planner
from transforms.rows import ANSWERS, CAPTIONS, FAILURES, MEDIA, Failure, MediaRow

PLANTED = (sys.executable, str(Path(__file__).parents[1] / "media" / "isolation" / "planted_child.py"))
IDENTITY = Identity("favor-mini", "r1", "auto", Windowing(), ClipNeeds(), GenerationOptions())
CAPTION = Question(CAPTIONS, "caption", "What?")
KEY = WindowKey("m", 0, 1)
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
LATER = NOON.timestamp() + 1
NOTHING = History()


def by_table(items):
    """What was found, by table; what goes on to the next step is ``main``."""
    collected = collections.defaultdict(list)
    for item in items:
        collected[{Failure: FAILURES, MediaRow: MEDIA}.get(type(item), "main")].append(item)
    return collected


def list_corpus(*patterns, shard=WHOLE_CORPUS, **wanted):
    return by_table(Lister(shard, Tally(), **wanted).list(map(str, patterns)))


@pytest.fixture(scope="module")
def decoder():
    with contextlib.closing(IsolatedDecoder()) as decoder:
        yield decoder


@pytest.fixture
def plan(decoder):
    """Plans media files."""

    def plan(*media, questions=(CAPTION,), window_ms=500, history=NOTHING, shard=WHOLE_CORPUS, split="fixed", by=None):
        identity = dataclasses.replace(IDENTITY, windowing=Windowing(window_ms, split))
        planner = Planner(questions, identity, shard, history, by or decoder, Tally())
        return by_table(itertools.chain.from_iterable(map(planner.plan, media)))

    return plan


def jobs(planned):
    return [job for segment in planned["main"] for job in segment.jobs]


@pytest.fixture
def media(plain_clip):
    (found,) = list_media(str(plain_clip))
    return found


def test_a_file_named_twice_is_listed_once(plain_clip):
    listed = list_corpus(str(plain_clip), str(plain_clip.parent))
    assert [file.uri for file in listed["main"]] == [str(plain_clip)]
    assert not listed[FAILURES]


def test_a_pattern_that_leads_nowhere_is_a_failure(tmp_path):
    listed = list_corpus(f"{tmp_path}/*.mp4")
    assert [(row.uri, row.code, row.stage) for row in listed[FAILURES]] == [(f"{tmp_path}/*.mp4", "not_found", "list")]


def test_windows_tile_the_file(media, plan):
    planned = plan(media)
    keys = [job.key for job in jobs(planned)]
    assert keys[0].start_ms == 0
    assert [key.end_ms for key in keys[:-1]] == [key.start_ms for key in keys[1:]]
    assert planned[MEDIA][0].windows == len(keys)
    assert planned[MEDIA][0].duration_ms == keys[-1].end_ms


def test_a_broken_file_is_a_failure(tmp_path, plan):
    (tmp_path / "bad.mkv").write_bytes(b"nothing of the kind")
    planned = plan(*list_media(str(tmp_path / "bad.mkv")))
    assert [row.stage for row in planned[FAILURES]] == ["probe"]
    assert not planned["main"]
    assert not planned[MEDIA]


def test_what_is_done_is_not_planned_again(media, plan):
    first, *_ = jobs(plan(media))
    done = History(frozenset({IDENTITY.result_id(IDENTITY.window_id(first.key), CAPTION)}))
    left = jobs(plan(media, history=done))
    assert first.key not in [job.key for job in left]
    assert len(left) == len(jobs(plan(media))) - 1


def past_failure(uri, media_id, span=(None, None), **retry_policy):
    return History(
        failed={(uri, None, *span): StandingFailure(media_id, 1, NOON)}, retry_policy=RetryPolicy(**retry_policy)
    )


def test_a_window_that_has_failed_is_not_planned_again(media, plan):
    first, *rest = jobs(plan(media))
    span = (first.key.start_ms, first.key.end_ms)
    assert jobs(plan(media, history=past_failure(media.uri, media.media_id, span))) == rest
    assert jobs(plan(media, history=past_failure(media.uri, media.media_id, span, before=LATER))) == [first, *rest]


def test_a_file_that_could_not_be_probed_is_left_until_it_is_another(media, plan):
    assert not plan(media, history=past_failure(media.uri, media.media_id))
    assert jobs(plan(media, history=past_failure(media.uri, media.media_id, before=LATER)))
    assert jobs(plan(media, history=past_failure(media.uri, "another version")))


def test_a_failure_of_this_run_is_not_tried_again_by_it():
    history = past_failure("/a.mp4", "m", before=NOON.timestamp())
    assert history.skips("m", ("/a.mp4", None, None, None))


def test_nothing_is_tried_more_often_than_allowed():
    history = past_failure("/a.mp4", "m", before=LATER, max_attempts=1)
    assert history.skips("m", ("/a.mp4", None, None, None))


def test_a_question_about_another_file_is_not_asked(media, plan, entry):
    other = Question(CAPTIONS, "other", "What?", uri="/other.mp4")
    assert {job.questions for job in jobs(plan(media, questions=(CAPTION, other)))} == {(CAPTION,)}
    assert jobs(plan(media, questions=(other,))) == []


@pytest.fixture
def entry(plan):
    return lambda media, **wanted: plan(dataclasses.replace(media, entry=Entry(**wanted)))


def test_only_the_span_of_an_entry_is_cut(media, plan, entry):
    keys = [job.key for job in jobs(entry(media, start_ms=250, end_ms=1500))]
    assert [(key.start_ms, key.end_ms) for key in keys] == [(250, 750), (750, 1250), (1250, 1500)]
    whole = jobs(plan(media))[-1].key.end_ms
    assert jobs(entry(media, start_ms=1000))[-1].key.end_ms == whole
    assert jobs(entry(media, end_ms=10_000_000))[-1].key.end_ms == whole
    assert jobs(entry(media, end_ms=0)) == []


def test_a_span_behind_the_end_of_the_file_is_a_failure(media, entry):
    planned = entry(media, start_ms=60_000, labels=(("id", "x"),))
    (row,) = planned[FAILURES]
    assert (row.code, row.stage, row.labels) == ("outside", "probe", (("id", "x"),))
    assert "before the span that is asked for begins, at 60.0 s" in row.message
    assert not planned[MEDIA]


def test_entries_of_one_file_have_results_and_rows_of_their_own(media, entry):
    entries = [Entry(), Entry(labels=(("id", "x"),)), Entry(end_ms=500), Entry(end_ms=500, labels=(("id", "x"),))]
    (window,) = {IDENTITY.window_id(jobs(entry(media, **vars(each)))[0].key) for each in entries}
    assert len({IDENTITY.result_id(window, CAPTION, each) for each in entries}) == len(entries)
    assert len({entry(media, **vars(each))[MEDIA][0].entry_id for each in entries}) == len(entries)


def test_a_manifest_replaces_the_prompt_of_captions_and_fills_in_the_language(media, plan):
    questions = (Question(CAPTIONS, "caption", "What?"), Question(ANSWERS, "q", "In {language}?"))
    german = dataclasses.replace(media, entry=Entry(prompt="Why ({language})?", labels=(("language", "de"),)))
    job, *_ = jobs(plan(german, questions=questions))
    assert [question.text for question in job.questions] == ["Why (de)?", "In de?"]
    (row,) = plan(media, questions=questions)[FAILURES]
    assert row.code == "no_language"


def test_a_manifest_is_listed_without_a_look_at_its_files(tmp_path, plan):
    (tmp_path / "m.jsonl").write_text('{"uri": "a.mp4"}\n{"uri": "a.mp4"}\n{"uri": 3}\n{"uri": "a.mp4", "end": 1}\n')
    listed = list_corpus(tmp_path / "m.jsonl")
    assert [(item.uri, item.entry.end_ms) for item in listed["main"]] == [
        (f"{tmp_path}/a.mp4", None),
        (f"{tmp_path}/a.mp4", 1000),
    ]
    assert [(row.uri, row.code) for row in listed[FAILURES]] == [(f"{tmp_path}/m.jsonl#3", "bad_manifest_row")]
    (row,) = plan(listed["main"][1])[FAILURES]
    assert (row.code, row.stage, row.uri) == ("not_found", "list", f"{tmp_path}/a.mp4")
    assert row.entry_id == listed["main"][1].entry.entry_id


def test_a_limit_ends_the_listing(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"uri": 3}\n{"uri": "a"}\n{"uri": "b"}\n{"uri": "c"}\n{"uri": 4}\n')
    listed = list_corpus(tmp_path / "m.jsonl", "nothing", selection=Selection(limit=2))
    assert [item.uri for item in listed["main"]] == [f"{tmp_path}/a", f"{tmp_path}/b"]
    assert len(listed[FAILURES]) == 1


def test_what_is_excluded_cannot_fail_either(tmp_path):
    (tmp_path / "x.mp4").mkdir()
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.wav").touch()
    listed = list_corpus(tmp_path, selection=Selection(exclude=("x.*", "*.wav")))
    assert [item.uri for item in listed["main"]] == [f"{tmp_path}/a.mp4"]
    assert not listed[FAILURES]


def test_shards_agree_on_a_sample(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}.mp4").touch()
    selection = Selection(share=0.3, limit=20)
    shards = [list_corpus(tmp_path, shard=Shard(index, 3), selection=selection)["main"] for index in range(3)]
    assert shards[0] == shards[1] == shards[2]
    assert len(shards[0]) == 20


def test_shards_share_the_segments_of_one_file(media, plan, spans_of):
    shards = [Shard(index, 2) for index in range(2)]
    planned = [plan(media, window_ms=500, shard=shard) for shard in shards]
    assert sorted(job.key for part in planned for job in jobs(part)) == [job.key for job in jobs(plan(media))]
    assert sum(len(part[MEDIA]) for part in planned) == 1


@pytest.fixture
def spans_of(plan):
    def spans_of(path, split):
        planned = plan(*list_media(str(path)), window_ms=1000, split=split)
        return [(job.key.start_ms, job.key.end_ms) for job in jobs(planned)]

    return spans_of


def test_windows_are_cut_at_scenes_if_asked_to(film_with_cuts, spans_of):
    film, windows = film_with_cuts
    assert spans_of(film, "scenes") == windows != spans_of(film, "fixed")


def test_what_is_no_film_is_cut_as_ever(write_clip, write_film, tmp_path, spans_of):
    write_clip(tmp_path / "tone.wav", 2.5, video=None, audio="pcm_s16le")
    write_clip(tmp_path / "still.png", 0.1, video="png", audio=None)
    whole = write_film(tmp_path / "zeros.mp4").read_bytes()
    coded = slice(whole.index(b"mdat") + 4, whole.index(b"moov") - 4)
    (tmp_path / "zeros.mp4").write_bytes(whole[: coded.start] + bytes(coded.stop - coded.start) + whole[coded.stop :])
    for name in ("tone.wav", "still.png", "zeros.mp4"):
        spans = spans_of(tmp_path / name, "scenes")
        assert spans
        assert spans == spans_of(tmp_path / name, "fixed")


def test_a_search_that_kills_the_decoder_is_a_failure_of_the_file(write_film, tmp_path, plan):
    """Fixed windows would overlap those of a later run that lives to find scenes."""
    film = write_film(tmp_path / "scenes-crash.mkv")
    with contextlib.closing(IsolatedDecoder(PLANTED)) as decoder:
        planned = plan(*list_media(str(film)), window_ms=1000, split="scenes", by=decoder)
    assert [(row.stage, row.code) for row in planned[FAILURES]] == [("probe", "decoder_crashed")]
    assert not planned["main"]
    assert not planned[MEDIA]


def test_a_segment_is_about_five_minutes_long(media, monkeypatch, plan):
    monkeypatch.setattr("transforms.planning.spans", lambda duration_ms, window_ms: [(i, i + 1) for i in range(100)])
    segments = plan(media, window_ms=30_000)["main"]
    assert {len(segment.jobs) for segment in segments} == {SEGMENT_MS // 30_000}
