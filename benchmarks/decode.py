"""The cost of decoding: CPU seconds for 2 frames per second at 224x224 and 16 kHz mono, against ffmpeg and plain PyAV.

    python benchmarks/decode.py [--seconds 60] [--repeats 5] [--folder DIR] [--codecs h264 hevc ...] [--jobs ours ...]

The jobs take turns, each in a separate single-threaded process; the user and system time of the whole process and its
children is counted, start-up included, and medians are compared. The clips are generated once by the ``ffmpeg``
program, which must be installed; those longer than a minute repeat one. The frames are checked against full decoding.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from favor.media.clip import Clip
from favor.media.decode import decode_windows
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.needs import ClipNeeds, Square

SIZE = 224
NEEDS = ClipNeeds(frame_size=Square(SIZE))
WINDOW_MS = 30_000
MINUTE = 60  # seconds to encode; longer clips repeat them
STRIDE = 10  # one window in ten
ENCODERS = {
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-g", "60", "-bf", "3", "-sc_threshold", "0"],
    "h264-film": ["-c:v", "libx264", "-preset", "medium", "-b:v", "6M"],
    "h264-no-b": ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-b:v", "6M"],
    "hevc": ["-c:v", "libx265", "-preset", "ultrafast", "-b:v", "4M", "-x265-params", "log-level=none"],
    "vp9": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M"],
    "av1": ["-c:v", "libsvtav1", "-preset", "10", "-b:v", "4M"],
}


def generate(path: Path, codec: str, seconds: int) -> None:
    """Writes a clip of a moving test pattern with grain, and noise as sound."""
    if path.exists():
        return
    if seconds > MINUTE:
        minute = path.with_name(f"{codec}-{MINUTE}.mkv")
        generate(minute, codec, MINUTE)
        loop = ["-stream_loop", str(seconds // MINUTE - 1), "-i", str(minute), "-c", "copy"]
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *loop, str(path)], check=True)
        return
    picture = f"testsrc2=size=1920x1080:rate=30:duration={seconds},noise=alls=2:allf=t,format=yuv420p"
    sound = f"anoisesrc=duration={seconds}:amplitude=0.3:sample_rate=48000"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    encoders = [*ENCODERS[codec], "-c:a", "aac", "-ac", "2"]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *inputs, *encoders, str(path)], check=True)


def spans(seconds: int, stride: int) -> list[tuple[int, int]]:
    """Returns the windows of a file, or every ``stride``-th of them."""
    return [(start, start + WINDOW_MS) for start in range(0, seconds * 1000, WINDOW_MS * stride)]


def run_ffmpeg(path: str) -> None:
    picture = ["-map", "0:v", "-vf", f"fps=2,scale={SIZE}:{SIZE}:flags=bicubic", "-pix_fmt", "rgb24"]
    sound = ["-map", "0:a", "-ac", "1", "-ar", "16000"]
    command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", path, "-filter_threads", "1"]
    command += [*picture, "-f", "rawvideo", os.devnull, *sound, "-f", "s16le", os.devnull, "-y"]
    subprocess.run(command, check=True)


def run_plain(path: str, stride: int = 1) -> list[Clip]:
    """Decodes everything and keeps the frames needed, as one would without this package."""
    with av.open(path) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.codec_context.thread_count = 1
        resampler = av.AudioResampler("s16", "mono", 16_000)
        frames, due = [], Fraction(0)
        for frame in (frame for packet in container.demux(video, audio) for frame in packet.decode()):
            if isinstance(frame, av.AudioFrame):
                resampler.resample(frame)
            elif frame.pts * frame.time_base >= due:
                if due * 1000 // WINDOW_MS % stride == 0:
                    frames.append(frame.to_ndarray(format="rgb24", width=SIZE, height=SIZE, interpolation="BICUBIC"))
                due += Fraction(1, 2)
    return [Clip(frames=np.stack(frames))]


def run_ours(path: str, seconds: int, stride: int = 1) -> list[Clip]:
    return list(decode_windows(path, spans(seconds, stride), NEEDS))


def run_isolated(path: str, seconds: int, stride: int = 1) -> list[Clip]:
    return [clip for _, clip in IsolatedDecoder().windows(path, spans(seconds, stride), NEEDS)]


JOBS = {
    "ffmpeg": lambda path, seconds: run_ffmpeg(path),
    "plain": lambda path, seconds: run_plain(path),
    "ours": run_ours,
    "isolated": run_isolated,
    "plain-sparse": lambda path, seconds: run_plain(path, STRIDE),
    "ours-sparse": lambda path, seconds: run_ours(path, seconds, STRIDE),
    "isolated-sparse": lambda path, seconds: run_isolated(path, seconds, STRIDE),
}


def cpu_seconds(job: str, path: Path, seconds: int) -> float:
    """Returns the user and system time of a job and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, __file__, "--job", job, "--seconds", str(seconds), str(path)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def check(path: Path, seconds: int) -> None:
    """Compares every frame with that of full decoding."""
    ours = np.concatenate([clip.frames for clip in run_ours(str(path), seconds)])
    np.testing.assert_array_equal(ours, run_plain(str(path))[0].frames[: len(ours)])  # a copy may last a frame longer


def compare(codec: str, path: Path, seconds: int, jobs: list[str], repeats: int) -> None:
    """Prints the CPU seconds of each job, in turns, and their ratio to those of ffmpeg and plain PyAV."""
    times = {job: [] for job in jobs}
    for _ in range(repeats):
        for job in jobs:
            times[job].append(cpu_seconds(job, path, seconds))
    median = {job: statistics.median(values) for job, values in times.items()}
    for job, values in times.items():
        others = [other for other in jobs if other.startswith(("ffmpeg", "plain")) and other != job]
        ratios = " ".join(f"{median[other] / median[job]:5.2f} x {other}" for other in others)
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{codec:10} {job:16} {median[job]:7.2f} s ({spread})   {ratios}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=["ffmpeg", "plain", "ours", "isolated"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "favor-decode")
    parser.add_argument("--codecs", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    options = parser.parse_args()
    if options.job:
        JOBS[options.job](options.path, options.seconds)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    for codec in options.codecs:
        path = options.folder / f"{codec}-{options.seconds}.mkv"
        generate(path, codec, options.seconds)
        check(path, options.seconds)
        compare(codec, path, options.seconds, options.jobs, options.repeats)


if __name__ == "__main__":
    main()
