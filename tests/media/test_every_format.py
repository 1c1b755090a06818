"""Every codec and every container that PyAV can write: a flash and a beep at 1.0 s come out at 1.0 s.

Each encoder is tried in one container, in NUT unless a table names another, and each container with codecs of its own;
with frames at a variable rate too, with late sound, with a start other than zero, and rotated. What cannot be tried is
in a table with the reason.
"""

import contextlib
import os

import av
import numpy as np
import pytest
from av.codec import Codec
from av.format import ContainerFormat

from favor.media.container.opening import is_still, open_container
from favor.media.decode import read_clip

HARDWARE = ("_amf", "_mf", "_nvenc", "_qsv", "_v4l2m2m", "_vaapi", "_videotoolbox", "_vulkan")  # encoders by device
PAL = {"size": (720, 576), "frame_rate": 25}
QUIET = {"x265-params": "log-level=none"}
TELEPHONE = {"sample_rate": 8000, "layout": "mono"}
VIDEO = {  # what encoders of pictures need; a suffix is the container
    "apng": {"suffix": "apng"},
    "av1": {"video_options": {"preset": "12"}},
    "avrp": {"suffix": "mov"},
    "dirac": {"suffix": "mov", "video_options": {"strict": "-2", "b": "50000000"}},
    "dnxhd": {"suffix": "mov", "size": (256, 128), "video_options": {"profile": "dnxhr_hq"}},
    "dvvideo": PAL,
    "dxv": {"suffix": "mov"},
    "exr": {"suffix": "mov"},
    "flashsv2": {"suffix": "flv"},
    "h261": {"size": (176, 144)},
    "h263": {"size": (128, 96)},
    "hevc": {"video_options": QUIET},
    "libsvtav1": {"video_options": {"preset": "12"}},
    "libx265": {"video_options": QUIET},
    "ljpeg": {"pixel_format": "yuvj420p"},
    "mjpeg": {"pixel_format": "yuvj420p"},
    "mpeg1video": {"frame_rate": 25, "suffix": "mkv"},
    "mpeg2video": {"suffix": "mkv"},  # NUT does not say that it starts with the second frame's time
    "prores": {"suffix": "mov"},
    "prores_aw": {"suffix": "mov"},
    "prores_ks": {"suffix": "mov"},
    "qtrle": {"suffix": "mov"},
    "roqvideo": {"suffix": "roq"},
    "rv10": {"suffix": "rm"},
    "rv20": {"suffix": "rm"},
    "sgi": {"suffix": "mov"},
    "snow": {"video_options": {"strict": "-2"}},
    "tiff": {"suffix": "mov"},
    "vc2": {"suffix": "mov", "video_options": {"strict": "-2", "b": "50000000"}},
    "wrapped_avframe": {"suffix": "y4m"},
    "xface": {"size": (48, 48)},
}
STILLS = [  # encoders of single pictures
    *("alias_pix", "bmp", "hdr", "libwebp", "libwebp_anim", "pam", "pbm", "pcx", "pfm", "pgm", "pgmyuv", "phm", "ppm"),
    *("qoi", "sunrast", "vbn", "wbmp", "webp", "xbm", "xwd"),
]
AUDIO = {  # the same for sound
    "adpcm_adx": {"suffix": "adx"},
    "adpcm_argo": {"format": "argo_asf"},
    "adpcm_ima_alp": {"format": "alp", "sample_rate": 22_050},
    "adpcm_ima_apm": {"format": "apm"},
    "adpcm_ima_qt": {"suffix": "mov"},
    "adpcm_ima_ssi": {"format": "kvag"},
    "adpcm_ima_wav": {"suffix": "wav"},
    "adpcm_swf": {"sample_rate": 44_100},
    "alac": {"suffix": "mov"},
    "aptx": {"suffix": "aptx"},
    "aptx_hd": {"suffix": "aptxhd"},
    "g722": {"sample_rate": 16_000, "layout": "mono"},
    "g723_1": {**TELEPHONE, "suffix": "wav", "audio_options": {"b": "6300"}},
    "g726": {**TELEPHONE, "suffix": "wav"},
    "libopencore_amrnb": TELEPHONE,
    "nellymoser": {"suffix": "mov", "sample_rate": 22_050, "layout": "mono"},
    "pcm_bluray": {"suffix": "m2ts"},
    "pcm_dvd": {"suffix": "vob"},
    "pcm_s24daud": {"suffix": "302", "sample_rate": 96_000, "layout": "5.1"},
    "real_144": {**TELEPHONE, "suffix": "mkv"},
    "roq_dpcm": {"suffix": "roq", "sample_rate": 22_050},
    "sbc": {"suffix": "sbc"},
    "tta": {"suffix": "tta"},
    "vorbis": {"audio_options": {"strict": "-2"}},
    "wmav1": {"suffix": "asf", "audio_options": {"b": "128000"}},
    "wmav2": {"suffix": "asf", "audio_options": {"b": "128000"}},
}
AT_25 = {"frame_rate": 25}  # what is assumed where a format does not say, or all that it takes
CONTAINERS = {  # what containers need; those that are not here hold the codecs that libavformat chooses
    "3g2": TELEPHONE,
    "3gp": TELEPHONE,
    "aiff": {"video": None},
    "alp": {"sample_rate": 22_050},
    "amr": TELEPHONE,
    "asf": {"audio": "libmp3lame"},
    "avi": {"audio": "pcm_s16le"},  # with MP3 its packets' times are off by up to a frame
    "avm2": {"sample_rate": 44_100, **AT_25},
    "dnxhd": AT_25,
    "flac": {"video": None},
    "g722": {"sample_rate": 16_000, "layout": "mono"},
    "g723_1": {**TELEPHONE, "audio_options": {"b": "6300"}},
    "h261": {"frame_rate": 30},
    "image2pipe": AT_25,
    "ismv": {"video_options": {"bf": "0"}},  # it has no place for the delay of the picture
    "m4v": AT_25,
    "mjpeg": AT_25,
    "mmf": TELEPHONE,
    "mp3": {"video": None},
    "mpeg2video": AT_25,
    "mpjpeg": AT_25,
    "mxf": AT_25,
    "mxf_opatom": {**AT_25, "audio": None},
    "obu": AT_25,
    "ogg": {"video": "libvpx"},
    "roq": {"sample_rate": 22_050},
    "rso": TELEPHONE,
    "swf": {"sample_rate": 44_100, **AT_25},
}
UNTRIED = {  # encoders
    "a64multi": "nothing reads what it writes",
    "a64multi5": "nothing reads what it writes",
    "adpcm_ima_amv": "its only container wants pictures between its packets in an order of its own",
    "adpcm_ima_ws": "libavformat does not recognise the only container that takes it",
    "anull": "throws the sound away",
    "bitpacked": "only RTP carries it",
    "comfortnoise": "keeps how loud noise is, not the sound",
    "fits": "each picture is stretched to its own contrast, so that white is black",
    "g726le": "only a file without a header carries it",
    "msrle": "takes palettes only, which libswscale cannot make",
    "pcm_vidc": "only a file without a header carries it",
    "smc": "takes palettes only, which libswscale cannot make",
    "vnull": "throws the picture away",
}
UNHELD = {  # containers that hold no picture and sound, or nothing that can be read back
    name: reason
    for names, reason in {
        "alsa fbdev oss video4linux2,v4l2": "devices",
        "ass ffmetadata jacosub lrc mcc microdvd rcwt scc srt sup ttml webvtt": "text",
        "crc framecrc framehash framemd5 hash md5 mkvtimestamp_v2 null streamhash uncodedframecrc": "digests",
        "dash fifo hds hls segment smoothstreaming ssegment stream_segment,ssegment tee webm_chunk webm_dash_manifest "
        "rtp rtp_mpegts rtsp sap whip": "several files, or the network",
        "ac4 aea apv argo_cvg avs2 avs3 bit cavsvideo codec2 codec2raw dts evc gsm ilbc lc3 mlp oma spx truehd "
        "vc1 vc1test vvc": "no encoder of their only codec",
        "data rawvideo dfpwm g726 g726le": "no header",
        "a64 filmstrip ico": "libavformat does not read what it writes",
        "amv": "wants pictures and sound in turns of its own; tried with its codec",
        "dirac h263": "libavformat guesses their frames' times wrongly; tried with their codecs",
        "daud": "six channels at 96 kHz only; tried with its codec",
        "apng image2": "needs a still picture; tried with its codec",
        "fits webp": "see their codecs",
        "gxf": "its header says nothing of the delay of MPEG-2, the only codec that can be read back from it",
        "iamf": "needs groups of streams, which PyAV cannot make",
        "mxf_d10": "takes studio rates only",
        "asf_stream smjpeg wsaud": "libavformat does not recognise what it writes",
    }.items()
    for name in names.split()
}
LATE = {  # s that sound comes late where a container cannot tell a codec's run-up, which is so many samples
    "aac": 1024 / 44_100,
    "ac3": 256 / 48_000,
    "amr_nb": 40 / 8000,
    "aptx": 90 / 48_000,
    "aptx_hd": 90 / 48_000,
    "eac3": 256 / 48_000,
    "adpcm_g722": 22 / 16_000,
    "g723_1": 60 / 8000,
    "mp2": 481 / 48_000,
    "mp3": 1105 / 44_100,
    "opus": 312 / 48_000,
    "pcm_dvd": 0.011,  # the container's
    "sbc": 73 / 48_000,
    "vorbis": 1024 / 48_000,
    "wmav1": 0.05,
    "wmav2": 0.05,
}
EXACT = 0.0014  # s; AMR in 3GP comes so much too early, Matroska stores milliseconds
TIMES = [0, 0.1, 0.2, 0.45, 0.5, 0.9, 1.0, 1.05, 1.3, 1.5, 1.55, 1.9]
LATE_SOUND = 0.5  # s
VARIANTS = {
    "plain": {},
    "variable": {"frame_times": TIMES},
    "late_sound": {"audio_start": LATE_SOUND, "sound_seconds": 1.5},
    "late_start": {"start": 7.0},
    "rotated": {"rotation": 90},
}
ROTATABLE = frozenset({"3g2", "3gp", "avif", "f4v", "ipod", "ismv", "matroska", "mov", "mp4", "psp", "webm"})
OTHERS = {("variable", "mpegts"): {"video": "libx264"}}  # for codecs of a fixed rate
CANNOT = {  # variants that encoders and containers cannot express
    (variant, name): reason
    for variant, names, reason in (
        ("variable", "dirac mpeg1video mpeg2video vc2 roqvideo rv10 rv20 wrapped_avframe", "codecs of a fixed rate"),
        ("variable", "avm2 dv mxf mxf_opatom rm roq swf", "frames at a fixed rate"),
        ("variable", "dnxhd h261 h264 hevc image2pipe mjpeg mpjpeg obu yuv4mpegpipe", "no times at all"),
        (
            "variable",
            "mpeg mpeg1video mpeg2video svcd vcd vob wtv",
            "made for MPEG-1 and MPEG-2, which have fixed rates",
        ),
        ("late_sound", "avi avm2 dv film_cpk mxf rm roq swf", "picture and sound begin together"),
        ("late_sound", "ismv", "its fragments do not say when they begin"),
        ("late_start", "avi film_cpk", "the picture begins at 0; the muxer fills the time up to its first frame"),
        ("late_start", "oga ogg ogv", "files begin at 0; later ones are silent and dark up to there"),
    )
    for name in names.split()
}


def encoders(kind):
    """The names of all encoders of a kind that need no device and are in no table of what cannot be tried."""
    for name in sorted(av.codecs_available):
        with contextlib.suppress(ValueError):
            if Codec(name, "w").type == kind and not name.endswith(HARDWARE) and name not in UNTRIED:
                yield name


def picture_options(encoder):
    """What an encoder needs, with pixels that libswscale can make: palettes are none."""
    names = [pixels.name for pixels in Codec(encoder, "w").video_formats or []]
    pixels = next((name for name in ("yuv420p", *names) if name in names and name != "pal8"), "yuv420p")
    return {"pixel_format": pixels, **VIDEO.get(encoder, {})}


def written(flash, name, suffix="nut", **options):
    return str(flash(f"{name}.{options.get('format', suffix)}", **options))


def cases(names, variants=tuple(VARIANTS)):
    """The names with each variant that they can express."""
    return [(name, variant) for name in names for variant in variants if (variant, name) not in CANNOT]


def check_picture(clip):
    assert (clip.frames.mean(axis=(1, 2, 3)) > 128).tolist()[:4] == [False, False, True, False]
    assert clip.frame_times[2] == pytest.approx(1.0, abs=0.03)


@pytest.fixture
def check_sound(flash, delay):
    def check(clip, codec, late=0.0):
        error = delay(clip.audio, flash.sound) / 16_000 - late
        exact = EXACT + (0.001 if late else 0)  # edit lists of mp4 count milliseconds
        assert -exact <= error <= LATE.get(codec, 0) + exact

    return check


@pytest.mark.parametrize(
    ("encoder", "variant"),
    cases((name for name in encoders("video") if name not in STILLS), ("plain", "variable", "late_start")),
)
def test_every_codec_of_pictures(flash, encoder, variant):
    options = {**picture_options(encoder), **VARIANTS[variant]}
    check_picture(read_clip(written(flash, encoder, video=encoder, audio=None, **options)))


@pytest.mark.parametrize("encoder", STILLS)
def test_every_codec_of_stills(write_clip, tmp_path, encoder):
    path = str(tmp_path / f"still.{encoder}")
    options = {**picture_options(encoder), "format": "image2pipe", "audio": None, "video": encoder}
    write_clip(path, 0.1, picture=lambda time, width, height: np.full((height, width, 3), 255, np.uint8), **options)
    with open_container(path) as container:
        assert is_still(container)
    assert read_clip(path).frames.min() == 255


@pytest.mark.parametrize("encoder", encoders("audio"))
def test_every_codec_of_sound(flash, check_sound, encoder):
    clip = read_clip(written(flash, encoder, video=None, audio=encoder, **AUDIO.get(encoder, {})))
    check_sound(clip, Codec(encoder, "w").canonical_name)


def containers():
    """The names of all containers that can be written, but those that are in the table of what cannot be tried."""
    pcm = {name[4:] for name in av.codecs_available if name.startswith("pcm_")}  # bare samples
    for name in sorted(av.formats_available - UNHELD.keys() - pcm):
        with contextlib.suppress(ValueError):
            ContainerFormat(name, "w")
            yield name


def container_options(name):
    """What a container holds, and how it is encoded."""
    with av.open(os.devnull, "w", format=name.split(",")[0]) as empty:
        codecs = {"video": empty.default_video_codec, "audio": empty.default_audio_codec}
    options = {kind: None if codec in ("none", "") else codec for kind, codec in codecs.items()}
    options |= CONTAINERS.get(name, {})
    return {**picture_options(options["video"]), **options} if options["video"] else options


def container_cases():
    for name, variant in cases(containers()):
        held = container_options(name)
        picture, sound = held["video"] or variant in ("plain", "late_start"), held["audio"] or variant != "late_sound"
        if picture and sound and (variant != "rotated" or name in ROTATABLE):
            yield name, variant


@pytest.mark.parametrize(("name", "variant"), container_cases())
def test_every_container(flash, check_sound, name, variant):
    options = {**container_options(name), **OTHERS.get((variant, name), {}), **VARIANTS[variant]}
    options.pop("suffix", None)
    suffix = min(ContainerFormat(name, "w").extensions, default=name)
    clip = read_clip(str(flash(f"media.{suffix}", format=name, **options)))
    if options["video"]:
        check_picture(clip)
        width, height = options.get("size", (64, 48))
        width = width * 16 // 15 if name == "dv" else width  # the pixels of PAL are wider than high
        assert clip.frames.shape[1:3] == ((width, height) if variant == "rotated" else (height, width))
    if options["audio"]:
        check_sound(clip, Codec(options["audio"], "w").canonical_name, options.get("audio_start", 0.0))
