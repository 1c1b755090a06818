import pytest
import torch

from favor.media.decode import read_clip
from favor.models.base import Batch
from favor.models.favor.memory import memory_need
from favor.models.favor.presets import FAVOR_MINI
from favor.models.placement import Placement
from favor.models.registry import describe
from favor.prompts import CAPTION_PROMPT, TRANSCRIBE_PROMPT


def test_the_card_of_favor_mini():
    card = describe("favor-mini")
    assert (card.name, card.trained, card.config) == ("favor-mini", True, FAVOR_MINI)
    assert (card.prompts.caption, card.prompts.transcript) == (CAPTION_PROMPT, TRANSCRIBE_PROMPT)
    assert "nothing of real film" in card.knows


def test_the_card_of_a_folder(untrained_folder):
    card = describe(str(untrained_folder))
    assert (card.name, card.trained) == (str(untrained_folder), False)
    assert card.revision != describe("favor-mini").revision


@pytest.mark.parametrize("quantization", [None, "int4"])
def test_memory_is_the_familys_arithmetic(quantization):
    batch = Batch(windows=3, seconds=10, new_tokens=7, beams=2)
    found = describe("favor-mini").memory_need(batch, Placement("cpu", "bfloat16", quantization))
    assert found == memory_need(FAVOR_MINI, torch.bfloat16, quantization, batch)
    assert found.total > found.weights > 0


def test_what_is_decoded_for_it_is_what_its_encoders_take(plain_clip):
    clip = read_clip(str(plain_clip), needs=describe("favor-mini").needs)
    size = FAVOR_MINI.visual.image_size
    assert clip.frames.shape == (4, size, size, 3)  # two seconds
    assert clip.frame_times.tolist() == [0, 0.5, 1, 1.5]
    assert len(clip.audio) == 2 * 16_000
