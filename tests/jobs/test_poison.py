"""Files that crash, block or flood the decoder, in whole runs: each costs a row, and the run goes on."""

import contextlib
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from favor.media.isolation import IsolatedDecoder
from jobs.main import main
from transforms import corpus, decode

PLANTED = (sys.executable, str(Path(__file__).parents[1] / "media" / "planted_child.py"))
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
        for module in (corpus, decode):
            monkeypatch.setattr(module, "ISOLATED", decoder)
        result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "files      7: 6 readable, 1 failed" in result.output
    assert "windows    12: 8 succeeded, 4 failed, 0 skipped" in result.output
    failures = pd.read_parquet(output / "failures")
    assert dict(zip([Path(uri).name for uri in failures.uri], failures.code, strict=True)) == POISON
    assert len(pd.read_parquet(output / "captions")) == 8
