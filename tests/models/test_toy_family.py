"""A second family runs through the whole pipeline, and nothing above the seam knows of it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from jobs.main import main

RED, BLUE = (200, 30, 30), (20, 20, 220)


def plain(colour):
    return lambda time, width, height: np.full((height, width, 3), colour, np.uint8)


def level(decibels):
    """A tone of this root mean square."""
    amplitude = math.sqrt(2) * 10 ** (decibels / 20)
    return lambda times: amplitude * np.sin(2 * np.pi * 440 * times)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, write_clip):
    """A film of two windows, one without sound, and a sound."""
    root = tmp_path_factory.mktemp("archive")
    write_clip(root / "red.mkv", 4, size=(80, 56), picture=plain(RED), audio="flac", sound=level(-12))
    write_clip(root / "blue.mp4", 2, size=(64, 160), picture=plain(BLUE), audio=None)
    write_clip(root / "sound.flac", 1, video=None, audio="flac", sound=level(-30), format="flac")
    return root


def favor(*arguments, status=0):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


def test_a_whole_run_with_another_family(toy, archive, tmp_path):
    """What is decoded is what its card asks for: a frame a second that keeps its aspect, and 8000 samples a second."""
    printed = favor("caption", archive, "--model", "toy", "-o", tmp_path, "--window-seconds", 3)
    assert "4: 4 succeeded" in printed
    rows = pd.read_parquet(tmp_path / "captions")
    assert [(Path(row.uri).name, row.start_ms, row.text) for row in rows.itertuples()] == [
        ("blue.mp4", 0, "blue in 2 frames of 28 x 84, no sound"),
        ("red.mkv", 0, "red in 3 frames of 84 x 56, -12 dB in 24000 samples"),
        ("red.mkv", 3000, "red in 1 frames of 84 x 56, -12 dB in 8000 samples"),
        ("sound.flac", 0, "no picture, -30 dB in 8000 samples"),
    ]
    assert set(rows.model) == {"toy"}
    assert set(rows.model_revision) == {"toy-7"}
    assert set(rows.prompt) == {"Which colour, and how loud?"}
    assert set(rows.frames) == {0, 1, 2, 3}
    assert rows.mean_logprob.isna().all()
    assert set(rows.finish_reason) == {"stop"}


def test_the_users_words_go_before_the_cards(toy, archive, tmp_path):
    favor("caption", archive / "blue.mp4", "--model", "toy", "-o", tmp_path, "--prompt", "What is it like?")
    assert pd.read_parquet(tmp_path / "captions").prompt.tolist() == ["What is it like?"]


def test_a_model_that_writes_no_transcripts_says_so(toy, archive, tmp_path):
    printed = favor("transcribe", archive, "--model", "toy", "-o", tmp_path / "out", status=1)
    assert printed == "Error: toy writes no transcripts; choose another --model for them\n"
    assert not (tmp_path / "out").exists()


def test_a_plan_takes_its_memory_from_the_card(toy, archive):
    printed = favor("plan", archive, "--model", "toy", "--batch-size", 2)
    assert "toy on cpu" in printed
    assert "by arithmetic at most 3.00 GB" in printed
