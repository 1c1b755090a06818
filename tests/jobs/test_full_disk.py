import resource

import pandas as pd
from click.testing import CliRunner

from jobs.main import main

LARGEST_FILE = 4096  # bytes; run.json and progress.json fit, no Parquet file does


def test_a_disk_that_is_full_is_told_in_one_line_and_the_run_goes_on_later(tmp_path, write_clip):
    clip = write_clip(tmp_path / "film.mkv", 0.5, audio=None)
    command = ["caption", str(clip), "-o", str(tmp_path / "out"), "--max-new-tokens", "1"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, hard))  # what is larger cannot be written, as if full
    try:
        full = CliRunner().invoke(main, command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.exit_code == 1
    assert "File too large" in full.output
    assert f"{tmp_path}/out/journal" in full.output
    assert "Traceback" not in full.output
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".")]  # nothing half written

    assert CliRunner().invoke(main, command).exit_code == 0
    assert len(pd.read_parquet(tmp_path / "out" / "captions")) == 1
