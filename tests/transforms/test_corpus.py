import collections

from apache_beam.pvalue import TaggedOutput

from favor.media.needs import ClipNeeds
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from transforms.corpus import ListCorpus, PlanSegments
from transforms.elements import WHOLE_CORPUS, Identity, Question, Segment
from transforms.history import History
from transforms.rows import CAPTIONS, FAILURES, MEDIA, Failure, MediaRow
from transforms.runtime import Runtime


def outputs(step, *elements):
    """What a step yields, by tag; the main output is called ``main``."""
    step.setup()
    collected = collections.defaultdict(list)
    for element in elements:
        for item in step.process(element):
            tagged = isinstance(item, TaggedOutput)
            collected[item.tag if tagged else "main"].append(item.value if tagged else item)
    return collected


def test_each_row_goes_to_its_output_and_is_counted(plain_clip, tmp_path):
    runtime = Runtime()
    (tmp_path / "bad.mkv").write_bytes(b"nothing of the kind")
    listed = outputs(ListCorpus(WHOLE_CORPUS, runtime), (str(plain_clip), str(tmp_path), "nothing"))
    assert [row.uri for row in listed[FAILURES]] == ["nothing"]
    identity = Identity("m", "r1", "auto", Windowing(500), ClipNeeds(), GenerationOptions())
    questions = (Question(CAPTIONS, "caption", "What?"),)
    planning = PlanSegments(questions, identity, WHOLE_CORPUS, History, runtime)
    planned = outputs(planning, *listed["main"])
    runtime.close()
    assert {tag: {type(item) for item in items} for tag, items in planned.items()} == {
        "main": {Segment},
        MEDIA: {MediaRow},
        FAILURES: {Failure},
    }
    counts = runtime.tally.snapshot()
    assert counts["files_readable"] == 1
    assert counts["windows_planned"] == sum(len(segment.jobs) for segment in planned["main"])
