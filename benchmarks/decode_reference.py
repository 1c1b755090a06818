"""Compares decoded windows with the ``ffmpeg`` program's output for the same files, from its decoder and resampler.

    python benchmarks/decode_reference.py FILE ...

For each file it prints the lowest PSNR of any frame after scaling, the correlation of the sound and its offset. It
fails if a frame is under 40 dB, the sound under 0.99 or its offset 1 ms or more. Frames are scaled before they are
rotated, in RGB, since swscale halves the chroma along the rows; and chroma samples are on the left, as the standards
specify, which ffmpeg 5.1 does not assume.
"""

import argparse
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from favor.media.decode import read_clip
from favor.media.needs import ClipNeeds, Square

SIZE = 224
SAMPLE_RATE = 16_000
LEAST_PSNR = 40.0  # dB
LEAST_CORRELATION = 0.99
MOST_OFFSET = 0.001  # s
LONGEST_LAG = 800  # samples
TURNS = {"": "null", "-90": "transpose=clock", "90": "transpose=cclock", "180": "hflip,vflip", "-180": "hflip,vflip"}


def ffmpeg(path: str, *options: str) -> bytes:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-noautorotate", "-i", path, *options, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def turn(path: str) -> str:
    """Returns the filter that turns a picture upright, according to ffprobe."""
    entries = ["-select_streams", "v:0", "-show_entries", "stream_side_data=rotation", "-of", "csv=p=0"]
    command = ["ffprobe", "-v", "error", *entries, path]
    return TURNS[subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(" ,\n")]


def reference_frames(path: str) -> NDArray[np.uint8]:
    """Returns the first frame at or after each half second, chosen by ffmpeg's ``select`` filter."""
    chosen = r"select='isnan(prev_selected_t)+gt(floor(t*2+1e-6)\,floor(prev_selected_t*2+1e-6))'"
    scale = f"scale={SIZE}:{SIZE}:flags=bicubic:in_h_chr_pos=0,format=rgb24,{turn(path)}"
    content = ffmpeg(path, "-vf", f"{chosen},{scale}", "-fps_mode", "vfr", "-f", "rawvideo")
    return np.frombuffer(content, np.uint8).reshape(-1, SIZE, SIZE, 3)


def reference_sound(path: str) -> NDArray[np.float32]:
    return np.frombuffer(ffmpeg(path, "-vn", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le"), np.float32)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float("inf") if not error else 10 * np.log10(255**2 / error)


def alignment(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, int]:
    """Returns the highest correlation of two sounds, and the lag of the first one there, in samples."""
    count = min(len(one), len(other))
    spectra = [np.fft.rfft(sound[:count].astype(np.float64), 2 * count) for sound in (one, other)]
    product = np.fft.irfft(spectra[0] * np.conj(spectra[1]))
    lags = np.arange(-LONGEST_LAG, LONGEST_LAG + 1)
    lag = int(lags[np.argmax(product[lags])])
    return float(product[lag] / (np.linalg.norm(one[:count]) * np.linalg.norm(other[:count]))), lag


def compare(path: str) -> bool:
    """Prints the comparison of one file; returns whether it passes."""
    clip = read_clip(path, needs=ClipNeeds(frame_size=Square(SIZE)))
    passed = True
    if clip.frames is not None:
        expected = reference_frames(path)
        count = min(len(expected), len(clip.frames))
        worst = min(psnr(*pair) for pair in zip(clip.frames[:count], expected[:count], strict=True))
        passed &= worst > LEAST_PSNR and abs(len(expected) - len(clip.frames)) <= 1
        print(f"{path}: {len(clip.frames)} frames, ffmpeg {len(expected)}, lowest PSNR {worst:.1f} dB")
    if clip.audio is not None:
        correlation, lag = alignment(clip.audio, reference_sound(path))
        passed &= correlation > LEAST_CORRELATION and abs(lag) / SAMPLE_RATE < MOST_OFFSET
        print(f"{path}: sound correlation {correlation:.5f}, {lag / SAMPLE_RATE * 1000:+.2f} ms off")
    return passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="FILE")
    passed = [compare(path) for path in parser.parse_args().paths]
    sys.exit(not all(passed))


if __name__ == "__main__":
    main()
