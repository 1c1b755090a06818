import contextlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pipeline.execution.worker
from favor.errors import FavorError
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from favor.models.favor.model import FavorModel
from favor.models.placement import Placement
from jobs.run.questions import caption_question
from pipeline.inputs import worded
from pipeline.options import ExecutionOptions, ModelOptions
from pipeline.planning.calibrate import NEIGHBOURS, WORKER_IMPORTS, calibrate
from pipeline.planning.survey import survey
from transforms.elements import WHOLE_CORPUS
from transforms.history import History
from transforms.listing import Lister
from transforms.metrics import Tally
from transforms.planning import Planner

HALF_SECONDS = Windowing(500)


@pytest.fixture(scope="module")
def model():
    return ModelOptions.described("favor-mini", Placement("cpu"), GenerationOptions(max_new_tokens=2))


@pytest.fixture
def film(tmp_path, write_clip):
    """A film of as many windows as are measured of a file."""
    return write_clip(tmp_path / "film.mp4", NEIGHBOURS / 2, audio=None)


@pytest.fixture
def segments(film, model):
    tally = Tally()
    with contextlib.closing(IsolatedDecoder()) as decoder:
        question = worded(caption_question(), model.card)
        identity = model.identity(HALF_SECONDS)
        planner = Planner((question,), identity, WHOLE_CORPUS, History(), decoder, tally)
        return survey([str(film)], Lister(WHOLE_CORPUS, tally), planner, seed=0).segments


@pytest.fixture
def spoil(monkeypatch):
    """The function that makes the model fail on clips."""

    def spoil(is_spoilt):
        encode = FavorModel.encode

        def spoilt_encode(model, clips):
            if any(map(is_spoilt, clips)):
                raise ValueError("a planted failure")
            return encode(model, clips)

        monkeypatch.setattr(FavorModel, "encode", spoilt_encode)

    return spoil


def costs(segments, model, batch_size):
    return calibrate(segments, HALF_SECONDS, model, ExecutionOptions(batch_size=batch_size))


def test_full_batches_are_measured(segments, model):
    measured = costs(segments, model, NEIGHBOURS - 1)
    assert measured.windows == NEIGHBOURS - 1
    assert min(measured.decode_seconds, measured.model_seconds, measured.model_cpu_seconds) > 0
    assert measured.load_seconds > 0
    assert measured.peak_bytes > 0


def test_a_window_that_fails_is_no_window_done(segments, model, spoil):
    seen = []

    def is_first(clip):
        seen.append(clip.frames)
        return np.array_equal(clip.frames, seen[0])

    spoil(is_first)
    assert costs(segments, model, NEIGHBOURS).windows == NEIGHBOURS - 1


def test_a_model_that_answers_nothing_is_not_measured(segments, model, spoil):
    spoil(lambda clip: True)
    with pytest.raises(FavorError, match=r"answered.*film\.mp4: a planted failure.*--no-calibrate"):
        costs(segments, model, NEIGHBOURS)


def test_windows_that_cannot_be_decoded_are_not_measured(segments, model, film):
    film.unlink()
    with pytest.raises(FavorError, match=r"decoded.*--no-calibrate"):
        costs(segments, model, NEIGHBOURS)


def test_a_start_is_that_of_a_worker():
    code = f"{WORKER_IMPORTS}\nprint(*sys.modules)"
    started = subprocess.run([sys.executable, "-c", code, "favor-mini"], stdout=subprocess.PIPE, check=True, text=True)
    imported = re.findall(r"^ *from (\S+) import", Path(pipeline.execution.worker.__file__).read_text(), re.MULTILINE)
    assert {"pipeline.execution.runners", "pipeline.run"} <= set(imported)
    assert set(imported) - {"pipeline.execution.environment"} <= set(started.stdout.split())
