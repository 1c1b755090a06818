import pytest
import torch

from favor.models.favor import budget
from favor.models.favor.config import ImageQFormerConfig, VisualConfig
from favor.models.favor.encoders.visual import ImageQFormer, VisualEncoder, normalise
from favor.models.favor.loading import initialise

pytestmark = pytest.mark.numeric

VISUAL = VisualConfig(
    hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
)
QFORMER = ImageQFormerConfig(
    vocab_size=20,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)


@pytest.fixture
def qformer():
    qformer = ImageQFormer(QFORMER, visual_width=16).eval()
    initialise(qformer, seed=0)
    return qformer


def test_the_last_norm_has_the_released_eps():
    vit = VisualEncoder(VISUAL).vit
    assert vit.post_layernorm.eps == 1e-5
    assert vit.encoder.layers[0].layer_norm1.eps == 1e-6


def test_pixels_are_normalised_with_clips_mean():
    white = normalise(torch.full((1, 32, 32, 3), 255, dtype=torch.uint8), 32, still=False)
    expected = (1 - torch.tensor([0.48145466, 0.4578275, 0.40821073])) / torch.tensor(
        [0.26862954, 0.26130258, 0.27577711]
    )
    torch.testing.assert_close(white[0, :, 0, 0], expected)


def test_frames_are_resized_without_keeping_their_aspect():
    frames = torch.zeros(2, 48, 96, 3, dtype=torch.uint8)
    frames[:, :, 48:] = 255
    pixels = normalise(frames, 32, still=False)
    assert pixels.shape == (2, 3, 32, 32)
    assert (pixels[:, :, :, :14] < 0).all()
    assert (pixels[:, :, :, 18:] > 0).all()


def test_only_still_images_are_resized_with_antialiasing():
    stripes = torch.zeros(1, 128, 128, 3, dtype=torch.uint8)
    stripes[:, :, ::5] = 255
    assert normalise(stripes, 32, still=True).std() < 0.7 * normalise(stripes, 32, still=False).std()


def test_more_frames_than_a_pass_holds(monkeypatch):
    encoder = VisualEncoder(VISUAL).eval()
    pixels = torch.randn(7, 3, 32, 32)
    with torch.no_grad():
        whole = encoder(pixels)
        monkeypatch.setattr(budget, "ACTIVATION_BYTES", 3 * VISUAL.tokens * VISUAL.intermediate_size * 4)
        seen = []
        encoder.vit.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(len(kwargs["pixel_values"])), with_kwargs=True
        )
        torch.testing.assert_close(encoder(pixels), whole, atol=1e-4, rtol=1e-4)
    assert seen == [3, 3, 1]
    assert whole.shape == (7, VISUAL.tokens, 16)


def test_slots_change_with_the_question(qformer):
    visual = torch.randn(1, 5, 16).expand(2, -1, -1)
    slots = qformer(visual, torch.tensor([[1, 2, 3], [1, 4, 3]]), torch.ones(2, 3, dtype=torch.long))
    assert slots.shape == (2, 32, 8)
    assert (slots[0] - slots[1]).abs().max() > 1e-3


def test_padding_of_a_question_changes_nothing(qformer):
    visual = torch.randn(1, 5, 16)
    short = qformer(visual, torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.long))
    padded = qformer(visual, torch.tensor([[1, 2, 3, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]]))
    torch.testing.assert_close(padded, short, atol=1e-4, rtol=1e-4)
