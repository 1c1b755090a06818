import dataclasses
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to

import favor
from favor.media.sampling import Windowing
from transforms import AnswerRequests, Request
from transforms.elements import identify
from transforms.requests import DecodeRequests
from transforms.runtime import Runtime

ROOT = Path(__file__).parents[2]
SHAPES = str(ROOT / "samples" / "shapes.mp4")
QUESTION = "What makes the sound?"
GREEDY = favor.GenerationOptions()


@pytest.fixture(scope="module")
def clip():
    return favor.read_clip(SHAPES, 1.0, 3.0, favor.describe("favor-mini").needs)


@pytest.fixture(scope="module")
def said(clip):
    """What the model says of the clip when it is asked without Beam."""
    model = favor.open_model("favor-mini", favor.Placement(device="cpu"))
    options = favor.GenerationOptions(max_new_tokens=128)
    return model.answer(model.encode([clip]), [favor.Prompt(QUESTION)], options)[0].text


def test_spans_of_files_and_clips_are_answered_as_without_beam(clip, said):
    ask = AnswerRequests(placement=favor.Placement(device="cpu"), batch_size=1)
    requests = [("clip", clip, QUESTION), Request("span", SHAPES, QUESTION, start_ms=1000, end_ms=3000)]
    with beam.Pipeline("FnApiRunner") as pipeline:
        outcome = pipeline | beam.Create(requests) | ask
        answers = outcome["answers"] | beam.MapTuple(lambda key, row: (key, row.start_ms, row.end_ms, row.text))
        assert_that(answers, equal_to([("clip", 0, 2000, said), ("span", 1000, 3000, said)]))
        assert_that(outcome["failures"], equal_to([]), label="no failures")


def test_the_example_answers_each_file_and_says_why_another_has_no_answer(tmp_path):
    command = [sys.executable, str(ROOT / "examples" / "own_pipeline.py"), SHAPES, str(tmp_path / "lost.mp4")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    answered, lost = sorted(printed.splitlines(), key=lambda line: "not_found" in line)
    assert answered.split("\t")[:2] == [SHAPES, "0"]
    assert len(answered.split("\t")[2].split()) > 1
    assert lost.startswith(f"{tmp_path / 'lost.mp4'}\tnot_found\t")


@pytest.fixture
def choosy(register):
    """Registers a model that answers with the question, but raises if it is "Refuse"."""
    register({"choosy": "choosy_family:FAMILY"}, Path(__file__).with_name("choosy_family.py"))
    return AnswerRequests(model="choosy", placement=favor.Placement(device="cpu"))


def still(shade):
    return favor.Clip(np.full((8, 8, 3), shade, np.uint8))


def test_a_request_that_the_model_fails_on_costs_only_its_own_answer(choosy):
    requests = [(text, still(0), text) for text in ("Agree", "Refuse", "Consent")]
    with beam.Pipeline("FnApiRunner") as pipeline:
        outcome = pipeline | beam.Create(requests) | choosy
        answers = outcome["answers"] | beam.MapTuple(lambda key, row: (key, row.text))
        failures = outcome["failures"] | "Why" >> beam.MapTuple(lambda key, row: (key, row.code, row.message))
        assert_that(answers, equal_to([("Agree", "Agree"), ("Consent", "Consent")]))
        refused = ("Refuse", "model_error", "the clip of 'Refuse': I refuse")
        assert_that(failures, equal_to([refused]), label="one failure")


def test_a_model_that_fails_on_everything_stops_the_pipeline(choosy):
    requests = [(number, still(0), "Refuse") for number in range(3)]
    pipeline = beam.Pipeline("FnApiRunner")
    pipeline | beam.Create(requests) | choosy
    with pytest.raises(Exception, match="failed in the same way on windows of 3 files and answered none"):
        pipeline.run()


@pytest.fixture
def decoded():
    """The function that returns the windows and failures of a request."""
    identity = identify(favor.describe("favor-mini"), favor.Placement(device="cpu"), Windowing(), GREEDY)
    step = DecodeRequests(identity, Runtime())
    return lambda *request: [getattr(outcome, "value", outcome)[1] for outcome in step.process(request)]


def test_clips_of_one_key_differ_by_their_content(decoded):
    def media_id(clip):
        (window,) = decoded("key", clip, QUESTION)
        return window.media.media_id

    assert media_id(still(0)) == media_id(still(0))
    sounds = [favor.Clip(audio=np.full(8, level, np.float32)) for level in (0, 1)]
    slow = dataclasses.replace(still(0), frame_times=np.ones(1))
    assert len(set(map(media_id, [still(0), still(1), slow, *sounds]))) == 5


@pytest.mark.parametrize(("start_ms", "end_ms"), [(0, 0), (-1000, 2000), (-1000, None), (3000, 2000)])
def test_a_span_that_cannot_be_is_a_failure(decoded, start_ms, end_ms):
    (row,) = decoded("key", SHAPES, QUESTION, start_ms, end_ms)
    assert (row.uri, row.stage, row.code) == (SHAPES, "probe", "outside")
    assert row.message.endswith(f"end after its start; got start_ms {start_ms} and end_ms {end_ms}")


def test_a_question_is_asked_word_for_word(decoded):
    (window, *_) = decoded("key", SHAPES, "What is {language}?")
    assert [question.text for question in window.job.questions] == ["What is {language}?"]


def test_a_file_has_one_identity_however_it_is_named(decoded, monkeypatch):
    monkeypatch.chdir(ROOT)
    (by_path, *_), (by_name, *_) = decoded("key", SHAPES, QUESTION), decoded("key", "samples/shapes.mp4", QUESTION)
    assert by_name.media == by_path.media


def test_a_model_that_does_not_exist_is_refused_before_anything_runs():
    with pytest.raises(favor.FavorError, match="neither a model folder"):
        AnswerRequests(model="favor-maxi")
