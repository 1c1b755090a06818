"""How much memory decoding a two-hour 1080p file takes, in this process and in the one that decodes for it.

    python benchmarks/decode_memory.py [--hours 2] [--rate 2] [--folder DIR]

The film is simple so that it can be made by the ``ffmpeg`` program, and decoded, in minutes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from favor.media.files import MediaFile
from favor.media.isolation import ISOLATED
from favor.media.sampling import spans

LIMIT = 600e6  # bytes
WINDOW_MS = 30_000
SEGMENT = 10  # windows that the pipeline decodes in one pass


def generate(path: Path, hours: float, rate: int) -> None:
    if path.exists():
        return
    length = f"duration={hours * 3600}"
    picture = ["-f", "lavfi", "-i", f"testsrc=size=1920x1080:rate={rate}:{length}"]
    sound = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=16000:{length}"]
    encoders = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *picture, *sound, *encoders, str(path)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "favor-decode")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"film-{options.hours}h-{options.rate}.mp4"
    generate(path, options.hours, options.rate)
    info = ISOLATED.probe(MediaFile(str(path), path.stat().st_size, ""))
    cuts = spans(info.duration_ms, WINDOW_MS)
    segments = [cuts[first : first + SEGMENT] for first in range(0, len(cuts), SEGMENT)]
    windows = sum(1 for segment in segments for _ in ISOLATED.windows(str(path), segment, 224))
    ISOLATED.close()
    peaks = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{windows} windows; {peaks[0] / 1e6:.0f} MB here, {peaks[1] / 1e6:.0f} MB where it is decoded")
    sys.exit(sum(peaks) > LIMIT)


if __name__ == "__main__":
    main()
