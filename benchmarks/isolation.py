"""The cost of isolation: CPU seconds of decoding in a child process against decoding in this process.

    python benchmarks/isolation.py [--seconds 300] [--rounds 3] [--folder DIR] [--codecs h264 ...]

Both ways decode the same windows and alternate which goes first, so that a temporarily slow machine slows both: with
whole files in turns, as in ``decode.py``, that alone makes a difference of a tenth. All CPU time of the child counts,
from start to end, but of this process only that of getting the windows. The clips are those of ``decode.py``, and the
results of both ways are compared.
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
        without: decoding all windows in this process.
        asking: this process, getting the windows from the child.
        child: the child, from start to end.
    """

    without: float = 0.0
    asking: float = 0.0
    child: float = 0.0

    @property
    def ratio(self) -> float:
        """The CPU time with isolation, relative to that without."""
        return (self.asking + self.child) / self.without


def children() -> float:
    """Returns the user and system time of all finished child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(clips: Iterator[Clip]) -> tuple[Clip | None, float]:
    """Takes the next clip; returns it with the CPU seconds that this process spent on it."""
    began = time.process_time()
    clip = next(clips, None)
    return clip, time.process_time() - began


def measure(path: Path, seconds: int) -> Spent:
    """Decodes all windows of a file both ways, alternating."""
    spans, spent, before = decode.spans(seconds, stride=1), Spent(), children()
    decoder = IsolatedDecoder()
    here = decode_windows(str(path), spans, decode.NEEDS)
    there = (clip for _, clip in decoder.windows(str(path), spans, decode.NEEDS))
    for turn in range(len(spans) + 1):  # the last turn only reaches the end
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
