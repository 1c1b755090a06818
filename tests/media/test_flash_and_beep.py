"""A flash and a beep at 1.0 s land in the right half second and at the right sample, however they are stored."""

import pytest

from favor.media.decode import read_clip

VP9 = {"video": "libvpx-vp9", "video_options": {"deadline": "realtime", "cpu-used": "8"}}
AV1 = {"video": "libsvtav1", "video_options": {"preset": "12"}}
HEVC = {"video": "libx265", "video_options": {"x265-params": "log-level=none"}}
FORMATS = {
    "h264_aac.mp4": {},
    "h264_mp3.mp4": {"audio": "libmp3lame"},
    "h264_ac3.mp4": {"audio": "ac3"},
    "h264_alac.mp4": {"audio": "alac"},
    "hevc_aac.mp4": HEVC,
    "av1_opus.mp4": {**AV1, "audio": "libopus"},
    "mpeg4_aac.mp4": {"video": "mpeg4"},
    "h264_pcm.mov": {"audio": "pcm_s16le"},
    "prores_pcm.mov": {"video": "prores_ks", "audio": "pcm_s24le"},
    "mjpeg_pcm.mov": {"video": "mjpeg", "audio": "pcm_s16le"},
    "h264_aac.mkv": {},
    "ffv1_flac.mkv": {"video": "ffv1", "audio": "flac"},
    "hevc_eac3.mkv": {**HEVC, "audio": "eac3"},
    "h264_mp2.mkv": {"audio": "mp2"},
    "vp8_opus.webm": {"video": "libvpx", "audio": "libopus"},
    "vp9_opus.webm": {**VP9, "audio": "libopus"},
    "av1_opus.webm": {**AV1, "audio": "libopus"},
    "h264_aac.ts": {},
    "mpeg2_mp2.ts": {"video": "mpeg2video", "audio": "mp2"},
    "hevc_ac3.ts": {**HEVC, "audio": "ac3"},
    "mpeg2_mp2.mpg": {"video": "mpeg2video", "audio": "mp2", "frame_rate": 25},
    "mpeg4_pcm.avi": {"video": "mpeg4", "audio": "pcm_s16le"},
    "h264_pcm.avi": {"audio": "pcm_s16le"},
    "mjpeg_pcm.avi": {"video": "mjpeg", "audio": "pcm_s16le"},
    "flv1_mp3.flv": {"video": "flv", "audio": "libmp3lame", "sample_rate": 44_100},
    "h264_aac.flv": {"sample_rate": 44_100},
    "msmpeg4_mp3.asf": {"video": "msmpeg4", "audio": "libmp3lame"},
    "mpeg2_pcm.mxf": {"video": "mpeg2video", "audio": "pcm_s16le", "frame_rate": 25},
    "h264_aac.3gp": {},
    "mpeg4_pcm.nut": {"video": "mpeg4", "audio": "pcm_s16le"},
}
TIMES = [0, 0.1, 0.2, 0.45, 0.5, 0.9, 1.0, 1.05, 1.3, 1.5, 1.55, 1.9]
VARIANTS = {
    "rotated": {"rotation": 90},
    "variable": {"frame_times": TIMES},
    "late_sound": {"audio_start": 0.5, "sound_seconds": 1.5},
    "late_start": {"start": 7.0},
}
VARIED = {
    "rotated": ("mp4", "mov"),
    "variable": ("mp4", "mkv", "mov", "webm"),
    "late_start": ("mp4", "mkv", "mov", "ts", "webm"),
}
VARIED["late_sound"] = VARIED["late_start"]
EXACT = 0.001 + 1 / 16_000  # s; Matroska stores milliseconds
CASES = [(name, "plain", {}) for name in FORMATS] + [
    (name, variant, options)
    for variant, options in VARIANTS.items()
    for name in ("h264_aac.mp4", "h264_pcm.mov", "h264_aac.mkv", "vp9_opus.webm", "h264_aac.ts", "hevc_aac.mp4")
    if name.split(".")[1] in VARIED[variant]
]


@pytest.mark.parametrize(("name", "variant", "options"), CASES, ids=[f"{variant}_{name}" for name, variant, _ in CASES])
def test_the_flash_and_the_beep(flash, delay, name, variant, options):
    """The sound is compared with the picture: where a format cannot hide a codec's run-up, both move alike."""
    path = flash(name, **{**FORMATS[name], **options})
    clip = read_clip(str(path))
    white = clip.frames.mean(axis=(1, 2, 3)) > 128
    assert white.tolist()[:4] == [False, False, True, False]
    flashed = clip.frame_times[2]
    assert flashed == pytest.approx(1.0, abs=0.03)
    late = options.get("audio_start", 0.0)
    assert delay(clip.audio, flash.sound) / 16_000 == pytest.approx(flashed - 1.0 + late, abs=EXACT)
