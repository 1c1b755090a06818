"""The cost of scene detection, relative to decoding the same film, and the number of windows that end at cuts.

    python benchmarks/scenes.py [FILE ...] [--window-seconds 30]

It generates a film of 4 min with cuts at known times, encoded in two ways. For films passed as arguments, the true cuts
are those that PySceneDetect finds when reading every frame.
"""

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from favor.media.clock import Span
from favor.media.corpus.files import MediaFile
from favor.media.decode import decode_windows
from favor.media.needs import ClipNeeds, Square
from favor.media.probe import probe
from favor.media.sampling import spans
from favor.media.scenes import cuts

NEEDS = ClipNeeds(frame_size=Square(224))
SECONDS, RATE, LONGEST_SHOT = 240, 24, 12
SOURCES = ("testsrc2", "gradients", "testsrc", "smptehdbars")
KEYFRAMES = {"at scenes": (), "every 2 s": ("-g", str(2 * RATE), "-sc_threshold", "0")}
NEAR_MS = 2  # tolerance for rounding


def generate(folder: Path) -> tuple[dict[str, Path], list[int]]:
    """Writes films with the same frames and hard cuts; returns their paths and the times of the cuts in ms."""
    chance, frames, shots = random.Random(0), [0], []
    while frames[-1] < SECONDS * RATE:
        length = chance.randint(RATE, LONGEST_SHOT * RATE)
        source = SOURCES[len(shots) % len(SOURCES)]
        shots.append(
            f"{source}=size=640x360:rate={RATE},trim=end_frame={length}"
            f",hue=h={chance.randint(0, 359)},format=yuv420p,setsar=1"
        )
        frames.append(frames[-1] + length)
    graph = ";".join(f"{shot}[s{number}]" for number, shot in enumerate(shots))
    graph += ";" + "".join(f"[s{number}]" for number in range(len(shots))) + f"concat=n={len(shots)}"
    films = {name: folder / f"{name}.mp4" for name in KEYFRAMES}
    for name, path in films.items():
        encoder = ["-c:v", "libx264", "-preset", "superfast", "-bf", "2", "-threads", "1", *KEYFRAMES[name]]
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-filter_complex", graph, *encoder, str(path)]
        subprocess.run(command, check=True)
    return films, [frame * 1000 // RATE for frame in frames[1:-1]]


def reference(path: Path) -> list[int]:
    """Returns all cuts of a film in ms, as found by PySceneDetect in every frame."""
    from scenedetect import ContentDetector, detect

    return [round(start.seconds * 1000) for start, _ in detect(str(path), ContentDetector(min_scene_len=0))][1:]


def seconds(action: Callable[[], object]) -> float:
    before = time.process_time()
    action()
    return time.process_time() - before


def measure(name: str, path: Path, truth: list[int], window_ms: int) -> None:
    duration = probe(MediaFile(str(path), path.stat().st_size, "")).duration_ms
    found: list[Span] = []
    search = seconds(lambda: found.extend(cuts.find_scene_spans(str(path), (0, duration), window_ms)))
    decode = seconds(lambda: sum(1 for _ in decode_windows(str(path), spans(duration, window_ms), NEEDS)))
    ends = [(start + window_ms, end) for start, end in found if start + window_ms < duration]
    gaps = [[abs(cut - target) for cut in truth if abs(cut - target) <= window_ms // 2] for target, _ in ends]
    on_cut = sum(any(abs(end - cut) <= NEAR_MS for cut in truth) for _, end in ends)
    nearest = sum(
        bool(near) and abs(abs(e - t) - min(near)) <= NEAR_MS for (t, e), near in zip(ends, gaps, strict=True)
    )
    print(
        f"{name}: {len(truth)} cuts; of {len(ends)} ends of windows {sum(map(bool, gaps))} have one in reach, "
        f"{on_cut} are on one, {nearest} on the nearest; "
        f"CPU {search:.1f} s, decoding {decode:.1f} s: {search / decode:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--window-seconds", type=float, default=30.0)
    options = parser.parse_args()
    window_ms = round(options.window_seconds * 1000)
    cuts.Comparison(0)  # so that the import is not timed
    with tempfile.TemporaryDirectory() as folder:
        films, truth = generate(Path(folder))
        for name, path in films.items():
            measure(f"generated, keyframes {name}", path, truth, window_ms)
    for path in options.paths:
        measure(path.name, path, reference(path), window_ms)


if __name__ == "__main__":
    main()
