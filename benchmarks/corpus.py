"""Corpora for the benchmarks, generated from the samples."""

import shutil
from collections.abc import Sequence
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"


def copies(directory: Path, count: int, clips: Sequence[Path] = ()) -> Path:
    """Fills a directory with copies of clips under different names.

    Args:
        directory: output directory, which must not exist yet.
        count: number of files.
        clips: files to copy; the samples by default.
    """
    directory.mkdir(parents=True)
    clips = clips or sorted(SAMPLES.glob("*.mp4"))
    for number in range(count):
        clip = clips[number % len(clips)]
        shutil.copyfile(clip, directory / f"{number:05d}{clip.suffix}")
    return directory
