import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

import favor
from transforms import AnswerRequests, Request

ROOT = Path(__file__).parents[2]
SHAPES = str(ROOT / "samples" / "shapes.mp4")
QUESTION = "What makes the sound?"


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


def test_a_model_that_does_not_exist_is_refused_before_anything_runs():
    with pytest.raises(favor.FavorError, match="neither a model folder"):
        AnswerRequests(model="favor-maxi")
