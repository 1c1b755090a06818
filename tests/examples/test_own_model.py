import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def white(time, width, height):
    return np.full((height, width, 3), 255, np.uint8)


def black(time, width, height):
    return np.zeros((height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which pip has installed the example."""
    root = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLES, root / "source")  # building leaves files behind
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", root / "site", root / "source"], check=True)
    return root / "site"


def test_captions_by_a_model_of_ones_own(installed, write_clip, tmp_path):
    """In worker processes too, which find it by its entry point."""
    write_clip(tmp_path / "white.mp4", 1, picture=white)
    write_clip(tmp_path / "black.mp4", 1, picture=black, audio=None)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    command = ["caption", tmp_path, "--model", "brightness", "--output", tmp_path / "out", "--workers", "2"]
    subprocess.run([sys.executable, "-m", "jobs.main", *command], check=True, env=environment)
    rows = pd.read_parquet(tmp_path / "out" / "captions")
    texts = {Path(row.uri).stem: row.text for row in rows.itertuples()}
    assert texts == {"white": "bright and loud", "black": "dark and unheard"}
    assert set(rows.model_revision) == {"brightness-1"}
