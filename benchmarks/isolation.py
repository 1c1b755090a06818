"""What isolation costs: CPU seconds of decoding in the child process against those of decoding without one.

    python benchmarks/isolation.py [--seconds 300] [--rounds 3] [--folder DIR] [--codecs h264 ...]

Both ways decode the same windows in turns, each first for every other one, so that a machine that is slow for a while
is slow for both: with whole files in turns, as in ``decode.py``, that alone makes a tenth. Of the child everything is
counted, from its start to its end; of this process only what it does to get the windows. The clips are those of
``decode.py``, and what comes from the child is compared with what does not.
"""

import argparse
import dataclasses
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import decode
import numpy as np

from favor.media.clip import Clip
from favor.media.decode import decode_windows
from favor.media.isolation.decoder import IsolatedDecoder


@dataclasses.dataclass
class Spent:
    """CPU seconds of one round.

    Attributes:
        without: for decoding all windows in this process.
        asking: for getting them from the child, in this process.
        child: in the child.
    """

    without: float = 0.0
    asking: float = 0.0
    child: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times as much isolation takes."""
        return (self.asking + self.child) / self.without


def children() -> float:
    """The user and system time of all processes that this one has started and seen end."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(clips: Iterator[Clip]) -> tuple[Clip | None, float]:
    """Takes the next clip; returns it with the CPU seconds that this process has spent on it."""
    began = time.process_time()
    clip = next(clips, None)
    return clip, time.process_time() - began


def measure(path: Path, seconds: int) -> Spent:
    """Decodes all windows of a file both ways, in turns."""
    spans, spent, before = decode.spans(seconds, stride=1), Spent(), children()
    decoder = IsolatedDecoder()
    here = decode_windows(str(path), spans, decode.SIZE)
    there = (clip for _, clip in decoder.windows(str(path), spans, decode.SIZE))
    for turn in range(len(spans) + 1):  # the last finds the end
        if turn % 2:
            (expected, without), (clip, asking) = timed(here), timed(there)
        else:
            (clip, asking), (expected, without) = timed(there), timed(here)
        spent.without += without
        spent.asking += asking
        if expected is not None:
            np.testing.assert_array_equal(clip.frames, expected.frames)
            np.testing.assert_array_equal(clip.audio, expected.audio)
    decoder.close()
    spent.child = children() - before
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "favor-decode")
    parser.add_argument("--codecs", nargs="+", choices=decode.ENCODERS, default=["h264", "h264-no-b", "vp9"])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for codec in options.codecs:
        path = options.folder / f"{codec}-{options.seconds}.mkv"
        decode.generate(path, codec, options.seconds)
        ratios = []
        for _ in range(options.rounds):
            spent = measure(path, options.seconds)
            ratios.append(spent.ratio)
            times = f"without {spent.without:.2f} s, child {spent.child:.2f} s, asking {spent.asking:.2f} s"
            print(f"{codec:10} {spent.ratio:.3f}: {times}", flush=True)
        median = statistics.median(ratios)
        print(f"{codec:10} {median:.3f} ({min(ratios):.3f} to {max(ratios):.3f}) times as much", flush=True)


if __name__ == "__main__":
    main()
