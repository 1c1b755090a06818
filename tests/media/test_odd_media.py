"""Odd and damaged media, a row for each kind: what becomes of it, from the probe to the last window."""

import dataclasses
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from favor.errors import MediaError
from favor.media.corpus.files import MediaFile
from favor.media.decode import decode_windows
from favor.media.needs import DEFAULT_NEEDS
from favor.media.probe import probe
from favor.media.sampling import spans

WINDOW_MS = 1500
RAW = {"audio": None}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A file with a flash and a beep at 1.0 s, odd in one way, and what is expected of it.

    Attributes:
        name: what is odd, and the suffix.
        options: how it is written; see ``write_clip``.
        change: what is done to its bytes.
        duration: seconds.
        flash: when the picture is white, in seconds; None without one.
        beep: when the chirp starts, in seconds; None without one.
        size: (width, height) of the upright picture in pixels as coded.
        white: whether the picture is white in each half second of the first window.
        within: how exactly the duration is known, in seconds.
        code: of the failure of the file, or of the first window that fails.
    """

    name: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    change: Callable[[bytes], bytes] | None = None
    duration: float = 2.0
    flash: float | None = 1.0
    beep: float | None = 1.0
    size: tuple[int, int] | None = (64, 48)
    within: float = 0.06
    white: tuple[bool, ...] = (False, False, True)
    code: str | None = None

    def __str__(self):
        return self.name


def half(content):
    return content[: len(content) // 2]


def scratched(content):
    return b"".join(content[at : at + 3000] + b"scratch!" for at in range(0, len(content), 3008))


def with_number(name, offset, number, width=4):
    """Writes a number some bytes behind a name."""

    def change(content):
        at = content.index(name) + len(name) + offset
        return content[:at] + number.to_bytes(width) + content[at + width :]

    return change


def matroska_duration(seconds):
    """Makes the header of a Matroska file claim another duration, in milliseconds as a double."""

    def change(content):
        at = content.index(b"\x44\x89\x88") + 3
        return content[:at] + np.array([seconds * 1000], ">f8").tobytes() + content[at + 8 :]

    return change


def without_durations(content):
    """Zeroes what the boxes of an mp4 say about how long it, its tracks and their media are."""
    for name, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        parts = content.split(name)
        content = name.join([parts[0], *(part[:offset] + bytes(4) + part[offset + 4 :] for part in parts[1:])])
    return content


JUNK = bytes(range(256)) * 4
M2TS = {"mpegts_m2ts_mode": "1"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
FAST = {"movflags": "faststart"}
SOUND = {"video": None}
STILL = {"audio": None, "seconds": 0.1}
KINDS = [
    Kind("plain.mp4"),
    Kind("rotated_90.mp4", {"rotation": 90}, size=(48, 64)),
    Kind("rotated_180.mp4", {"rotation": 180}),
    Kind("rotated_270.mov", {"rotation": 270}, size=(48, 64)),
    Kind("mirrored.mp4", {"mirrored": True}),
    Kind("variable_rate.mkv", {"frame_times": [0, 0.1, 0.45, 0.9, 1.0, 1.1, 1.45, 1.5, 1.9]}),
    Kind("variable_rate.mp4", {"frame_times": [0, 0.1, 0.45, 0.9, 1.0, 1.1, 1.45, 1.5, 1.9]}),
    Kind("gap_in_the_picture.mp4", {"frame_times": [0, 0.1, 1.0, 1.5, 1.6]}, within=0.4, white=(False, True, True)),
    Kind("one_frame_a_second.mp4", {"frame_rate": 1}, white=(False, True, True)),
    Kind("120_frames_a_second.mp4", {"frame_rate": 120}),
    Kind("late_sound.mp4", {"audio_start": 0.4, "sound_seconds": 1.6}, beep=1.4),
    Kind("early_sound.mkv", {"start": 2.0, "audio_start": -0.5}, flash=None, beep=1.0, duration=2.5),
    Kind("short_sound.mp4", {"sound_seconds": 1.4}),
    Kind("long_sound.mp4", {"sound_seconds": 4.0}, duration=4.0),
    Kind("surround.mp4", {"layout": "5.1"}),
    Kind("mono_8_kHz.mkv", {"audio": "pcm_s16le", "layout": "mono", "sample_rate": 8000}),
    Kind("96_kHz.mkv", {"audio": "flac", "sample_rate": 96_000}),
    Kind("11025_Hz.avi", {"video": "mpeg4", "audio": "pcm_s16le", "sample_rate": 11_025}),
    Kind("silent.mp4", {"audio": None}, beep=None),
    Kind("starts_at_5.mp4", {"start": 5.0}),
    Kind("starts_at_20000.ts", {"start": 20_000.0}),
    Kind("fragmented.mp4", {"container_options": FRAGMENTED, "video_options": {"bf": "0"}}),
    Kind("live.webm", {"video": "libvpx", "audio": "libopus", "container_options": {"live": "1"}}),
    Kind("10_bit.mkv", {"pixel_format": "yuv420p10le"}),
    Kind("hdr.mkv", {"video": "libx265", "pixel_format": "yuv420p10le",
                     "video_options": {"x265-params": "log-level=none:colorprim=9:transfer=16:colormatrix=9"}}),
    Kind("full_chroma.mkv", {"pixel_format": "yuv444p"}),
    Kind("grey.mkv", {"pixel_format": "gray"}),
    Kind("anamorphic.mp4", {"aspect": Fraction(4, 3)}),
    Kind("interlaced.ts", {"video": "mpeg2video", "video_options": {"flags": "+ildct+ilme", "bf": "2"}}),
    Kind("odd_size.mkv", {"video": "ffv1", "size": (37, 23)}, size=(37, 23)),
    Kind("narrow.mkv", {"video": "ffv1", "size": (8, 96)}, size=(8, 96)),
    Kind("b_frames.avi", {"video_options": {"bf": "2"}, "audio": "pcm_s16le"}),
    Kind("packed.avi", {"video": "mpeg4", "video_options": {"bf": "2"}, "audio": "libmp3lame"}, within=0.2),
    Kind("bare.h264", RAW, beep=None),
    Kind("bare.hevc", {**RAW, "video": "libx265", "video_options": {"x265-params": "log-level=none"}}, beep=None),
    Kind("flash.flv", {"video": "flv", "audio": "libmp3lame", "sample_rate": 44_100}),
    Kind("animated.avif", {"video": "libsvtav1", "audio": None, "video_options": {"preset": "12"}}, beep=None),
    Kind("bare.m2v", {**RAW, "video": "mpeg2video", "frame_rate": 25, "format": "mpeg2video"}, beep=None),
    Kind("animated.gif", {"video": "gif", "audio": None}, beep=None, within=0.2),
    Kind("sound.wav", {**SOUND, "audio": "pcm_s16le"}, flash=None, size=None),
    Kind("sound.opus", {**SOUND, "audio": "libopus"}, flash=None, size=None),
    Kind("sound.m4a", SOUND, flash=None, size=None),
    Kind("photograph.jpg", {**STILL, "video": "mjpeg"}, duration=0.5, flash=None, beep=None),
    Kind("absurdly_long.mkv", {}, matroska_duration(10_000_000)),
    Kind("absurdly_short.mkv", {}, matroska_duration(0.001)),
    Kind("junk_before.ts", {}, lambda content: JUNK + content),
    Kind("junk_before.mp3", {**SOUND, "audio": "libmp3lame"}, lambda content: JUNK + content, flash=None, size=None,
         within=0.1),
    Kind("named_wrongly.avi", {"format": "mp4"}),
    Kind("written_twice.mp4", {}, lambda content: content + content),
    Kind("without_durations.mp4", {}, without_durations),
    Kind("without_index.avi", {"video": "mpeg4", "audio": "pcm_s16le"}, lambda content: content.partition(b"idx1")[0]),
    Kind("endless.wav", {**SOUND, "audio": "pcm_s16le"}, with_number(b"data", 0, (1 << 32) - 1), flash=None, size=None),
    Kind("begins_within.ts", {"video_options": {"g": "5"}}, lambda content: content[6 * 188 :]),
    Kind("few_times.mpg", {"audio": "mp2", "frame_rate": 25}),
    Kind("192_byte_packets.m2ts", {"container_options": M2TS}),
    Kind("clock_wraps.ts", {"start": 95_442.0}),
    Kind("transparent.webm", {"video": "libvpx-vp9", "audio": "libopus", "pixel_format": "yuva420p"}),
    Kind("animated.png", {"video": "apng", "format": "apng", "audio": None, "pixel_format": "rgb24"}, beep=None),
    Kind("one_picture.mp4", {"seconds": 0.1, "sound_seconds": 2.0}, flash=None),
    Kind("half_a_photograph.jpg", {**STILL, "video": "mjpeg"}, half, duration=0.5, code="damaged"),
    Kind("cut_short.mp4", {"container_options": FAST}, half, code="truncated"),
    Kind("cut_short.mkv", {"seconds": 6.0, "video_options": {"g": "5"}}, half, duration=6.0, code="truncated"),
    Kind("headless.mp4", {}, half, code="damaged"),
    Kind("cut_in_its_header.mkv", RAW, lambda content: content[: len(content) // 5], code="damaged"),
    Kind("scratched.ts", {}, scratched, flash=None, beep=None, within=5),
    Kind("empty.mkv", {}, lambda content: b"", code="empty_file"),
    Kind("zeros.mp4", {}, lambda content: bytes(len(content)), code="damaged"),
    Kind("text.mp4", {}, lambda content: b"<html>404</html>" * 50, code="damaged"),
]  # fmt: skip


def written(kind, flash):
    path = flash(kind.name, **kind.options)
    if kind.change:
        path.write_bytes(kind.change(path.read_bytes()))
    return str(path)


def test_there_are_enough_kinds():
    assert len({kind.name for kind in KINDS}) >= 35


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.code], ids=str)
def test_odd_files_are_read_right(flash, delay, kind):
    path = written(kind, flash)
    info = probe(MediaFile(path, 1, "v"))
    clips = read_all(path, kind)
    assert ((info.width, info.height) if kind.size else info.width) == kind.size
    assert len(clips) == len(spans(info.duration_ms, WINDOW_MS))
    if kind.size:
        width, height = kind.size
        assert clips[0].frames.shape[1:] == (height, round(width * kind.options.get("aspect", 1)), 3)
    if kind.flash is not None:
        means = clips[0].frames.mean(axis=(1, 2, 3))
        assert tuple(means > 128) == kind.white
        assert clips[0].frame_times[2] == pytest.approx(kind.flash, abs=0.06)
    if kind.beep is not None:
        sound = np.concatenate([clip.audio for clip in clips])
        assert delay(sound, flash.sound) / 16_000 == pytest.approx(kind.beep - 1.0, abs=0.03)


def read_all(path, kind):
    info = probe(MediaFile(path, 1, "v"))
    assert info.duration_ms / 1000 == pytest.approx(kind.duration, abs=kind.within)
    return list(decode_windows(path, spans(info.duration_ms, WINDOW_MS), DEFAULT_NEEDS))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.code], ids=str)
def test_unusable_files_are_named(flash, kind):
    path = written(kind, flash)
    with pytest.raises(MediaError, match=kind.name) as caught:
        read_all(path, kind)
    assert caught.value.code == kind.code


def test_pictures_of_absurd_size_are_refused(photograph, tmp_path):
    content = photograph.read_bytes()
    path = tmp_path / "huge.png"
    header = b"IHDR" + (14_000).to_bytes(4) * 2 + content[24:29]
    path.write_bytes(content[:12] + header + zlib.crc32(header).to_bytes(4) + content[33:])
    with pytest.raises(MediaError, match="14000x14000 pixels; at most") as caught:
        probe(MediaFile(str(path), 1, "v"))
    assert caught.value.code == "too_large"


@pytest.fixture
def two_tracks(tmp_path):
    """A low tone on the first track, a high one on the second, which is the default."""
    path = tmp_path / "two_tracks.mkv"
    with av.open(path, "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        streams[0].disposition, streams[1].disposition = 0, 1
        for stream, pitch in zip(streams, (200, 2000), strict=True):
            tone = (8000 * np.sin(2 * np.pi * pitch * np.arange(16_000) / 16_000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
            frame.sample_rate = 16_000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize(("track", "pitch"), [(None, 2000), (0, 200), (1, 2000)])
def test_the_audio_track_can_be_chosen(two_tracks, track, pitch):
    [clip] = decode_windows(two_tracks, [(0, 1000)], DEFAULT_NEEDS, audio_track=track)
    assert np.argmax(np.abs(np.fft.rfft(clip.audio))) == pytest.approx(pitch, abs=2)


def test_an_audio_track_that_is_not_there_is_named(two_tracks):
    with pytest.raises(MediaError, match=r"no audio track 2; it has 2") as caught:
        list(decode_windows(two_tracks, [(0, 1000)], DEFAULT_NEEDS, audio_track=2))
    assert caught.value.code == "no_audio_track"
