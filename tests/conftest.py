"""Media for all tests, made on the spot: nothing is downloaded and no ffmpeg program is needed."""

import bisect
import dataclasses
import functools
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from pipeline.execution.environment import set_up

set_up()  # before anything imports torch
# Whoever makes ATen compute as on an older processor means oneDNN too: torch's attention in bfloat16 relies on both.
ONEDNN_SETS = {"default": "SSE41", "avx2": "AVX2", "avx512": "AVX512_CORE"}
if (instructions := os.environ.get("ATEN_CPU_CAPABILITY")) in ONEDNN_SETS:
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", ONEDNN_SETS[instructions])
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # before anything imports gcsfs: emulators speak no gRPC

VARIABLE_RATE_CLOCK = Fraction(1, 60_000)
PIXEL_FORMATS = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p", "png": "rgb24", "gif": "rgb8", "bmp": "bgr24"}


def colours(time, width, height):
    """A picture of its own for each time: a gradient whose blue grows by 20 a second."""
    rows, columns = np.mgrid[:height, :width]
    blue = np.full_like(rows, min(int(time * 20), 255))
    return np.stack([columns * 255 // width, rows * 255 // height, blue], axis=-1).astype(np.uint8)


CUTS = (0.7, 2.1, 2.9, 4.3, 4.8, 5.6)  # s


def shots(time, width, height):
    """Moving pictures of a scene that changes at each of ``CUTS``."""
    scene = bisect.bisect(CUTS, time + 0.01)
    image = np.roll(colours(time, width, height), scene, axis=-1)
    return 255 - image if scene % 2 else image


def tone(times):
    """440 Hz."""
    return 0.3 * np.sin(2 * np.pi * 440 * times)


def _encode_picture(container, codec, picture, times, start, rate, clock, size, turn, options, pixel_format, aspect):
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = pixel_format or PIXEL_FORMATS.get(codec, "yuv420p")
    stream.codec_context.sample_aspect_ratio = aspect
    stream.codec_context.time_base = clock
    if any(turn):
        rotation, mirrored = turn
        stream.set_display_rotation(-rotation % 360, hflip=mirrored)
    for time in times:
        frame = VideoFrame.from_ndarray(picture(time, *size), "rgb24")
        frame.pts, frame.time_base = round((start + time) / clock), clock
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encode_sound(container, codec, seconds, start, rate, layout, sound, options):
    stream = container.add_stream(codec, rate=rate, layout=layout, options=options)
    samples = sound(np.arange(round(seconds * rate)) / rate).astype(np.float32)
    frame = AudioFrame.from_ndarray(np.tile(samples, (stream.layout.nb_channels, 1)), "fltp", layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(start * rate)
    yield from stream.encode(frame)
    yield from stream.encode(None)


def _write_clip(
    path: Path,
    seconds: float = 2.0,
    *,
    video: str | None = "libx264",
    audio: str | None = "aac",
    size: tuple[int, int] = (64, 48),
    frame_rate: int = 10,
    frame_times: Sequence[float] | None = None,
    picture: Callable[..., np.ndarray] = colours,
    rotation: int = 0,
    mirrored: bool = False,
    video_options: dict[str, str] | None = None,
    pixel_format: str | None = None,
    aspect: Fraction = Fraction(1),
    audio_options: dict[str, str] | None = None,
    sample_rate: int = 48_000,
    layout: str = "stereo",
    sound: Callable[[np.ndarray], np.ndarray] = tone,
    sound_seconds: float | None = None,
    start: float = 0.0,
    audio_start: float = 0.0,
    container_options: dict[str, str] | None = None,
    format: str | None = None,
) -> Path:
    """Writes a small media file and returns its path.

    Args:
        path: where to; its suffix chooses the container unless ``format`` does.
        seconds: how long the picture is, and the sound unless ``sound_seconds`` says otherwise.
        video, audio: libavcodec's encoders of picture and sound, or None for none.
        size: width and height as coded.
        frame_rate: frames a second, unless ``frame_times`` lists them.
        frame_times: when each frame is shown.
        picture: ``(time, width, height)`` -> (height, width, 3) uint8.
        rotation, mirrored: degrees clockwise that players turn the picture by, and whether they mirror it.
        pixel_format: libav's name of how its pixels are stored.
        aspect: width of a pixel by its height.
        sample_rate: of the sound in Hz.
        layout: of its channels, each of which gets the same sound.
        sound: times (n,) in seconds -> samples (n,).
        sound_seconds: how long the sound is.
        start: when picture and sound start on the file's clock.
        audio_start: how much later than the picture the sound starts.
        video_options, audio_options, container_options: for libav's encoders and muxer.
        format: libavformat's name of the container.
    """
    clock = VARIABLE_RATE_CLOCK if frame_times else Fraction(1, frame_rate)
    times = frame_times or [index / frame_rate for index in range(round(seconds * frame_rate))]
    look = (size, (rotation, mirrored), video_options or {}, pixel_format, aspect)
    with av.open(path, "w", format=format, options=container_options or {}) as container:
        packets = []
        if video:
            packets += _encode_picture(container, video, picture, times, start, frame_rate, clock, *look)
        if audio:
            length = seconds if sound_seconds is None else sound_seconds
            heard = (sample_rate, layout, sound, audio_options or {})
            packets += _encode_sound(container, audio, length, start + audio_start, *heard)
        container.mux(packets)
    return path


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """The function that writes small media files; see `_write_clip` for its arguments."""
    return _write_clip


@pytest.fixture(scope="session")
def plain_clip(tmp_path_factory) -> Path:
    """Two seconds of H.264 and AAC in mp4."""
    return _write_clip(tmp_path_factory.mktemp("media") / "plain.mp4")


@pytest.fixture(scope="session")
def write_film() -> Callable[..., Path]:
    """The function that writes a film of 6 s with hard cuts at ``CUTS``; see `_write_clip` for its arguments."""
    return functools.partial(_write_clip, seconds=6, picture=shots, audio=None)


@pytest.fixture(scope="session")
def film_with_cuts(write_film, tmp_path_factory) -> tuple[Path, list[tuple[int, int]]]:
    """A film with hard cuts, and its windows of about a second in ms."""
    windows = [(0, 700), (700, 2100), (2100, 2900), (2900, 4300), (4300, 5600), (5600, 6000)]
    return write_film(tmp_path_factory.mktemp("cuts") / "cuts.mkv"), windows


@pytest.fixture(scope="session")
def untrained_folder(tmp_path_factory):
    """A folder of favor-mini with random weights."""
    from favor.models.favor.folder import PACKAGED, write_config
    from favor.models.favor.presets import FAVOR_MINI

    folder = tmp_path_factory.mktemp("models") / "untrained"
    shutil.copytree(PACKAGED / FAVOR_MINI.name, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    write_config(dataclasses.replace(FAVOR_MINI, seed=0), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder of a model of FAVOR's whole structure, small enough to train in seconds."""
    from favor.models.favor import config as sizes
    from favor.models.favor.loading import initialise
    from favor.models.favor.model import FavorModel
    from favor.models.favor.presets import FAVOR_MINI

    tiny = dataclasses.replace(
        FAVOR_MINI,
        name="tiny",
        visual=sizes.VisualConfig(32, 64, 1, 2, image_size=64, patch_size=8),
        image_qformer=sizes.ImageQFormerConfig(1024, 32, 1, 2, 64, max_position_embeddings=256),
        speech=sizes.SpeechConfig(16, 1, 2, 32, max_source_positions=250),
        causal_qformer=sizes.CausalQFormerConfig(32, 1, 2, 64, max_positions=320, direction="paper"),
        language=sizes.LanguageConfig(2048, 48, 96, 2, 2),
        lora=sizes.LoraConfig(rank=4, alpha=4),
    )
    folder = tmp_path_factory.mktemp("models") / tiny.name
    model = FavorModel(tiny, FavorModel.from_pretrained("favor-mini", device="cpu").prompter)
    initialise(model, seed=0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny(tiny_folder):
    """The tiny model, loaded from its folder as a user would."""
    from favor.models.favor.model import FavorModel

    return FavorModel.from_pretrained(tiny_folder, device="cpu")


@pytest.fixture
def register(tmp_path, monkeypatch):
    """The function that registers models by entry points, as an installed distribution named "others" does.

    Args:
        entries: values of entry points of the group ``favor.models`` by name.
        modules: files that are copied beside them.
    """

    def register(entries: dict[str, str], *modules: Path) -> None:
        info = tmp_path / "site" / "others-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[favor.models]", *lines]))
        for module in modules:
            shutil.copy(module, info.parent)
        monkeypatch.syspath_prepend(info.parent)

    return register


@pytest.fixture(autouse=True)
def seeded():
    """Random inputs do not depend on which tests ran before in the same process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def _leads(model, clip, question, token_ids):
    """Measures by how much each token of an answer is likelier than any other, given the tokens before it.

    Sums are rounded differently on another processor and in another batch, by 1e-5 or so: greedy search is sure to
    choose a token that leads by more, and may choose either of two that are as likely.

    Args:
        model: a FavorModel.
        clip: a clip or its features; it is shown by itself.
        question: the question about it.
        token_ids: the tokens of the answer.

    Returns:
        (tokens,) in nats; below zero where another token is likelier.
    """
    import torch

    with torch.no_grad():
        prompt, _ = model.prompt_embeddings([clip], [question])
        ids = torch.tensor(token_ids)[None]
        inputs = torch.cat([prompt, model.llm.get_input_embeddings()(ids[:, :-1])], dim=1)
        logits = model.llm(inputs_embeds=inputs).logits[:, -ids.shape[1] :].float()
    others = logits.scatter(-1, ids[..., None], -torch.inf).amax(-1)
    return (logits.gather(-1, ids[..., None]).squeeze(-1) - others)[0]


@pytest.fixture(scope="session")
def leads():
    """The function that measures how sure the tokens of an answer are; see `_leads`."""
    return _leads
