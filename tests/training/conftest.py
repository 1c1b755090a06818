"""A few real clips to train the tiny model on."""

import json

import numpy as np
import pytest
from accelerate.state import AcceleratorState

from favor.media.clip import Clip
from favor.training.examples import Example


@pytest.fixture(autouse=True)
def fresh_accelerator():
    """Accelerate keeps the precision of its first use for the whole process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


COLOURS = ("red", "green", "blue", "white")
PAINT = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


@pytest.fixture(scope="session")
def manifest(write_clip, tmp_path_factory):
    """Eight real files: four colours, with a low or a high tone, and two questions to each."""
    folder = tmp_path_factory.mktemp("manifest")
    lines = []
    for index in range(8):
        colour, pitch = COLOURS[index % 4], ("low", "high")[index // 4]

        def picture(time, width, height, paint=PAINT[colour]):
            return np.full((height, width, 3), paint, np.uint8)

        def sound(times, hertz=220 if pitch == "low" else 2500):
            return 0.5 * np.sin(2 * np.pi * hertz * times)

        path = write_clip(folder / f"{index}.mp4", 1.0, size=(32, 32), picture=picture, sound=sound)
        lines += [
            {"uri": str(path), "question": "What colour is it?", "answer": colour, "task": "video_qa"},
            {"uri": str(path), "question": "How is the sound?", "answer": pitch, "task": "ac"},
        ]
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def example():
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
    audio = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    return Example(Clip(frames=frames, audio=audio), "What is it?", "A red circle.", "video_qa")
