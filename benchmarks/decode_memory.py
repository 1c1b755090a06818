"""Peak memory of decoding a two-hour 1080p film, in this process and in its decoder process.

    python benchmarks/decode_memory.py [--hours 2] [--pattern segments|pass|sparse] [--folder DIR]

The film repeats a simple minute at 30 frames per second, so that the ``ffmpeg`` program generates it, and it is
decoded, within minutes. Patterns: ``segments`` of ten windows as in the pipeline, all windows in one ``pass``, and one
window in ten (``sparse``), which seeks.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from favor.media.corpus.files import MediaFile
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.needs import ClipNeeds, Square
from favor.media.sampling import spans

LIMIT = 600e6  # bytes
WINDOW_MS = 30_000
NEEDS = ClipNeeds(frame_size=Square(224))
STRIDE = 10  # one window in ten
SEGMENT = 10  # windows that the pipeline decodes in one pass

Spans = list[tuple[int, int]]
PATTERNS = {
    "segments": lambda cuts: [cuts[first : first + SEGMENT] for first in range(0, len(cuts), SEGMENT)],
    "pass": lambda cuts: [cuts],
    "sparse": lambda cuts: [cuts[::STRIDE]],
}


def generate(path: Path, hours: float) -> None:
    if path.exists():
        return
    minute = path.with_name("minute.mp4")
    picture = ["-f", "lavfi", "-i", "testsrc=size=1920x1080:rate=30:duration=60"]
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=60"]
    encoders = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-pix_fmt", "yuv420p", "-c:a", "aac", "-y"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *picture, *sound, *encoders, str(minute)], check=True)
    loop = ["-stream_loop", str(round(hours * 60) - 1), "-i", str(minute), "-c", "copy"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *loop, str(path)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--pattern", choices=PATTERNS, default="segments")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "favor-decode")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"film-{options.hours}h.mp4"
    generate(path, options.hours)
    decoder = IsolatedDecoder()
    info = decoder.probe(MediaFile(str(path), path.stat().st_size, ""))
    parts: list[Spans] = PATTERNS[options.pattern](spans(info.duration_ms, WINDOW_MS))
    windows = sum(1 for part in parts for _ in decoder.windows(str(path), part, NEEDS))
    decoder.close()
    peaks = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{windows} windows; {peaks[0] / 1e6:.0f} MB here, {peaks[1] / 1e6:.0f} MB in the decoder")
    sys.exit(sum(peaks) > LIMIT)


if __name__ == "__main__":
    main()
