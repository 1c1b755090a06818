"""Frames at any rate are those of decoding all of the file with PyAV alone and choosing by the definition."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest

from favor.media.decode import decode_windows
from favor.media.needs import ClipNeeds

CUTS = [(0, 1300), (1300, 2700), (6700, 7500), (7500, 7510)]
UNEVEN = sorted({0.0, *np.round(np.cumsum(np.random.default_rng(1).choice([0.03, 0.05, 0.4, 0.9], 40)), 2)})
CODECS = {
    "closed.mp4": ("libx264", {"g": "24", "bf": "3"}),
    "open.mkv": ("libx264", {"bf": "3", "x264-params": "open-gop=1:keyint=24:min-keyint=24:scenecut=0"}),
    "hevc.mkv": ("libx265", {"x265-params": "log-level=none:keyint=24:min-keyint=24:open-gop=1"}),
    "mpeg2.mkv": ("mpeg2video", {"g": "12", "bf": "2"}),
    "mpeg4.mp4": ("mpeg4", {"g": "12", "bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"g": "24", "deadline": "realtime", "cpu-used": "8"}),
    "av1.mkv": ("libsvtav1", {"g": "24", "preset": "12"}),
    "uneven.mp4": ("libx264", {"g": "12", "bf": "3"}),
    "uneven.mkv": ("libx264", {"g": "12", "bf": "3"}),
}
NEEDS = [
    *(ClipNeeds(frames_per_second=rate and Fraction(rate)) for rate in (1, 2, 4, "3/2", "30000/1001", None)),
    ClipNeeds(frames_per_second=Fraction(4), max_frames=3),
    ClipNeeds(frames_per_second=None, max_frames=5),
    ClipNeeds(frames_per_second=None, max_frames=1000),
]


def all_frames(path):
    """The time of each picture of a file in seconds, and its image."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            yield (
                (frame.pts - stream.start_time) * stream.time_base,
                frame.to_ndarray(format="rgb24", interpolation="BICUBIC"),
            )


def expected_frames(frames, start, end, needs):
    """The times and images that a window shows, by the definition of its needs."""
    inside = [(time - start, image) for time, image in frames if start <= time < end]
    if not inside:
        return [(0, [image for time, image in frames if time < start][-1])]
    if needs.frames_per_second is None:
        if needs.max_frames is None or len(inside) <= needs.max_frames:
            return inside
        step = (end - start) / needs.max_frames
    else:
        step = 1 / needs.frames_per_second
        if needs.max_frames and math.ceil((end - start) / step) > needs.max_frames:
            step = (end - start) / needs.max_frames
    slots = [number * step for number in range(math.ceil((end - start) / step))]
    shown = [next((frame for frame in inside if frame[0] >= slot), None) for slot in slots]
    return [frame for frame in shown if frame]


@pytest.mark.parametrize("name", CODECS)
def test_frames_at_any_rate_are_those_of_full_decoding(write_clip, tmp_path, grain, name):
    codec, options = CODECS[name]
    timing = {"frame_times": UNEVEN} if "uneven" in name else {"frame_rate": 24}
    look = {"picture": grain, "size": (80, 64), "video_options": options}
    path = write_clip(tmp_path / name, 8, video=codec, audio=None, **timing, **look)
    frames = list(all_frames(path))
    for needs in NEEDS:
        for (start_ms, end_ms), clip in zip(CUTS, decode_windows(str(path), CUTS, needs), strict=True):
            expected = expected_frames(frames, Fraction(start_ms, 1000), Fraction(end_ms, 1000), needs)
            np.testing.assert_allclose(clip.frame_times, [float(time) for time, _ in expected], rtol=0, atol=1e-12)
            np.testing.assert_array_equal(clip.frames, np.stack([image for _, image in expected]))
            assert needs.max_frames is None or len(clip.frames) <= needs.max_frames
