"""What failed is left alone by later runs, or tried again if they are told to: through real runs of the command."""

import pandas as pd
import pytest
from click.testing import CliRunner

from jobs.main import main


@pytest.fixture
def archive(tmp_path, write_clip):
    """A good clip and a broken one."""
    root = tmp_path / "films"
    root.mkdir()
    write_clip(root / "good.mkv", 0.5, audio=None)
    (root / "bad.mkv").write_bytes(b"nothing of the kind")
    return root


@pytest.fixture
def caption(archive, tmp_path):
    """Runs the command over the archive and over a pattern that leads nowhere, and returns what it printed."""

    def run(*arguments):
        corpus = [str(archive), str(tmp_path / "later*.mkv")]
        command = ["caption", *corpus, "-o", str(tmp_path / "out"), "--max-new-tokens", "1", *arguments]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def failures(tmp_path):
    rows = pd.read_parquet(tmp_path / "out" / "failures")
    return {uri.rsplit("/")[-1]: attempt for uri, attempt in zip(rows.uri, rows.attempt, strict=True)}


def test_a_failure_stands_until_it_is_retried_and_not_for_ever(caption, tmp_path):
    assert "files      3: 1 readable, 2 failed" in caption()
    again = caption()
    assert "files      3: 1 readable, 0 failed, 2 failed before" in again
    assert "2 of earlier runs are unresolved; --retry-failed retries them" in again
    assert failures(tmp_path) == {"bad.mkv": 1, "later*.mkv": 1}
    for attempt in (2, 3):
        assert "2 failed, 0 failed before" in caption("--retry-failed")
        assert failures(tmp_path) == {"bad.mkv": attempt, "later*.mkv": attempt}
    assert "0 failed, 2 failed before" in caption("--retry-failed")
    assert failures(tmp_path) == {"bad.mkv": 3, "later*.mkv": 3}
    assert "2 failed, 0 failed before" in caption("--retry-failed", "--max-attempts", "4")


def test_what_is_mended_leaves_the_table(caption, archive, tmp_path):
    caption()
    (archive / "bad.mkv").write_bytes((archive / "good.mkv").read_bytes())
    (tmp_path / "later1.mkv").write_bytes((archive / "good.mkv").read_bytes())
    printed = caption()
    assert "files      3: 3 readable, 0 failed, 0 failed before" in printed
    assert "windows    3: 2 succeeded, 0 failed, 1 skipped (1 done before)" in printed
    assert failures(tmp_path) == {}


def test_a_window_that_failed_is_counted_among_the_skipped(archive, caption, tmp_path, monkeypatch):
    (archive / "bad.mkv").unlink()

    def broken(*arguments):
        raise ValueError("a planted failure")

    with monkeypatch.context() as planted:
        planted.setattr("favor.FavorModel.encode", broken)
        assert "windows    1: 0 succeeded, 1 failed, 0 skipped" in caption()
    assert "windows    1: 0 succeeded, 0 failed, 1 skipped (0 done before, 1 failed before)" in caption()
    assert failures(tmp_path)["good.mkv"] == 1
    assert "windows    1: 1 succeeded, 0 failed, 0 skipped" in caption("--retry-failed")
    assert "good.mkv" not in failures(tmp_path)
