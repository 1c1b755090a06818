import contextlib
import shutil

import numpy as np
import pytest

from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.needs import ClipNeeds
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from jobs.run.questions import caption_question
from pipeline.planning.survey import SEGMENTS, Survey, survey
from transforms.elements import WHOLE_CORPUS, Identity, Segment
from transforms.history import History
from transforms.listing import Lister
from transforms.metrics import Tally
from transforms.planning import Planner


@pytest.fixture(scope="module")
def archive(tmp_path_factory, write_clip):
    """Three good files (of 2.3 s, 1 s and 1.5 s) and three broken ones."""
    root = tmp_path_factory.mktemp("surveyed")
    write_clip(root / "film.mp4", 2.3, rotation=90)
    write_clip(root / "silent.mkv", 1, audio=None)
    write_clip(root / "tone.wav", 1.5, video=None, audio="pcm_s16le", sample_rate=8000, layout="mono")
    (root / "empty.mp4").write_bytes(b"")
    for number in range(2):
        (root / f"noise{number}.mkv").write_bytes(np.random.default_rng(number).bytes(5000))
    return root


def surveyed(*patterns, seed=0, window_ms=500, **looking_on):
    identity = Identity("", "", "", Windowing(window_ms), ClipNeeds(), GenerationOptions())
    tally = Tally()
    with contextlib.closing(IsolatedDecoder()) as decoder:
        planner = Planner((caption_question(),), identity, WHOLE_CORPUS, History(), decoder, tally)
        return survey([str(pattern) for pattern in patterns], Lister(WHOLE_CORPUS, tally), planner, seed, **looking_on)


def test_a_corpus_in_figures(archive):
    told = surveyed(archive).to_dict()
    assert (told["files_readable"], told["files_failed"]) == (3, 3)
    assert told["bytes"] == sum((archive / name).stat().st_size for name in ("film.mp4", "silent.mkv", "tone.wav"))
    assert 4800 <= told["media_ms"] <= 4900  # AAC fills its last frame up
    assert told["windows"] == 5 + 2 + 3
    assert told["video"] == {"h264": 2, "none": 1}
    assert told["audio"] == {"aac": 1, "none": 1, "pcm_s16le": 1}
    assert told["sizes"] == {"48x64": 1, "64x48": 1}
    assert told["odd"] == {"rotated by 90 degrees": 1, "without sound": 1, "without picture": 1}
    assert told["failures"] == {"damaged": 2, "empty_file": 1}


def test_the_broken_files_are_named(archive):
    printed = str(surveyed(archive))
    for name in ("empty.mp4", "noise0.mkv", "noise1.mkv"):
        assert str(archive / name) in printed


def test_a_name_that_leads_nowhere_is_a_failure():
    assert surveyed("nothing.mp4").rows["failures"] == {"not_found": 1}


def test_more_files_than_are_probed_at_once_come_in_order(archive, tmp_path):
    for number in range(40):
        shutil.copy(archive / "silent.mkv", tmp_path / f"{number:02d}.mkv")
    told = []
    found = surveyed(tmp_path, tell=lambda survey: told.append(survey.totals["windows"]))
    assert told == [2 * number for number in range(1, 41)]
    assert found.probe_seconds > 0
    assert found.segments == surveyed(tmp_path).segments


def test_windows_are_drawn_evenly_and_take_no_more_memory(archive):
    _, silent = (next(iter(surveyed(archive / name).segments)) for name in ("film.mp4", "silent.mkv"))
    short, long = Segment(silent.media, silent.jobs[:1]), Segment(silent.media, 9 * silent.jobs[:1])
    drawn = 0
    for seed in range(20):
        sample = Survey(seed)
        for number in range(2000):
            sample.add(long if number % 10 == 0 else short)
        assert len(sample.segments) == SEGMENTS
        drawn += sum(len(segment.jobs) == 9 for segment in sample.segments)
    assert 0.4 < drawn / (20 * SEGMENTS) < 0.6  # half of all windows are in long segments
