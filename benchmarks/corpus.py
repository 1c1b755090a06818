"""Corpora for the benchmarks, made on the spot from the samples."""

import shutil
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"


def copies(directory: Path, count: int) -> Path:
    """Fills a directory with copies of the samples under different names.

    Args:
        directory: is made if it is missing.
        count: how many files.
    """
    directory.mkdir(parents=True)
    clips = sorted(SAMPLES.glob("*.mp4"))
    for number in range(count):
        shutil.copyfile(clips[number % len(clips)], directory / f"{number:05d}.mp4")
    return directory
