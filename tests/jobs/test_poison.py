"""Files that crash, block or flood the decoder, in whole runs: each costs a row, and the run goes on."""

import contextlib
import functools
import shutil
import sys
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from favor import FavorModel
from favor.media.isolation.decoder import IsolatedDecoder
from jobs.main import main
from pipeline.execution import runners
from transforms.runtime import Runtime

PLANTED = (sys.executable, str(Path(__file__).parents[1] / "media" / "isolation" / "planted_child.py"))
POISON = {  # files of two windows, by what the decoder does on them, and the code of the failure
    "crash-1000ms.mp4": "decoder_crashed",
    "hang-0ms.mp4": "decoder_timeout",
    "hog-1000ms.mp4": "out_of_memory",
    "mistake-0ms.mp4": "undecodable",
    "probe-crash.mp4": "decoder_crashed",
}


@pytest.fixture
def archive(plain_clip, tmp_path):
    """Poisonous files among good ones."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for name in ("a.mp4", *POISON, "z.mp4"):
        shutil.copy(plain_clip, folder / name)
    return folder


@pytest.mark.timeout(600)  # a dozen processes are started, one after the other
def test_each_poison_costs_one_row_and_the_run_goes_on(archive, tmp_path, monkeypatch):
    output = tmp_path / "out"
    arguments = ["caption", archive, "-o", output, "--window-seconds", 1, "--max-new-tokens", 2]
    limits = {"memory_bytes": 1 << 30, "base_deadline": 12, "deadline_per_second": 0}
    with contextlib.closing(IsolatedDecoder(PLANTED, **limits)) as decoder:
        monkeypatch.setattr(runners, "Runtime", functools.partial(Runtime, decoder))
        result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "files      7: 6 readable, 1 failed" in result.output
    assert "windows    12: 8 succeeded, 4 failed, 0 skipped" in result.output
    failures = pd.read_parquet(output / "failures")
    assert dict(zip([Path(uri).name for uri in failures.uri], failures.code, strict=True)) == POISON
    assert len(pd.read_parquet(output / "captions")) == 8


@pytest.fixture
def clips(write_clip, tmp_path):
    """Sixteen clips of one window, the seventh of them white."""
    dark, white = (
        write_clip(tmp_path / f"{shade}.mkv", 0.5, audio=None, picture=_even(shade)).read_bytes() for shade in (40, 255)
    )
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(16):
        (folder / f"{number:02}.mkv").write_bytes(white if number == 6 else dark)
    return folder


def _even(shade):
    return lambda time, width, height: np.full((height, width, 3), shade, np.uint8)


def _caption(clips, output):
    arguments = ["caption", clips, "-o", output, "--batch-size", 16, "--max-new-tokens", 2]
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def planted(monkeypatch):
    """Plants what the model does with a batch of clips, and records the size of each batch."""
    real = FavorModel.encode

    def plant(error_of):
        sizes = []

        def planted_encode(model, clips):
            sizes.append(len(clips))
            error = error_of(clips)
            if error is not None:
                raise error
            return real(model, clips)

        monkeypatch.setattr(FavorModel, "encode", planted_encode)
        return sizes

    return plant


def test_a_window_that_breaks_the_model_costs_one_row_of_a_batch_of_sixteen(clips, tmp_path, planted):
    white = lambda clips: any(clip.frames.min() > 250 for clip in clips)  # noqa: E731
    sizes = planted(lambda clips: ValueError("a planted failure") if white(clips) else None)
    said = _caption(clips, tmp_path / "out")
    assert sizes[0] == 16
    assert "windows    16: 15 succeeded, 1 failed, 0 skipped" in said
    (failed,) = pd.read_parquet(tmp_path / "out" / "failures").itertuples()
    assert Path(failed.uri).name == "06.mkv"
    assert "a planted failure" in failed.message
    assert failed.code == "model_error"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a planted failure"),
        RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be reported later"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_broken_model_stops_the_run_in_one_line_until_it_is_mended(clips, tmp_path, planted, error, batch_size):
    sizes = planted(lambda clips: error)
    arguments = ["caption", clips, "-o", tmp_path / "out", "--batch-size", batch_size, "--max-new-tokens", 2]
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith(f"Error: {type(error).__name__} at {__file__}:")
    assert str(error).splitlines()[0] in line
    assert "the same command goes on where it stopped" in line.lower()
    assert len(sizes) <= 3 or batch_size == 16

    planted(lambda clips: None)
    assert "windows    16: 16 succeeded, 0 failed, 0 skipped" in _caption(clips, tmp_path / "out")


def test_memory_that_ends_above_five_windows_costs_nothing_and_is_learnt(clips, tmp_path, planted):
    tensors, alive = [], []

    def full(clips):
        alive.append(sum(tensor() is not None for tensor in tensors))
        held = torch.zeros(1000)
        tensors.append(weakref.ref(held))
        if len(clips) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory, a planted failure")

    sizes = planted(full)
    said = _caption(clips, tmp_path / "out")
    assert "windows    16: 16 succeeded, 0 failed, 0 skipped" in said
    assert sizes == [16, 8, 4, 4, 4, 4]
    assert alive == 6 * [0]  # tensors of a failed try while the next one runs
