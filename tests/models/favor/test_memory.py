import pytest

from favor.models.favor.memory import Batch, memory_need, weight_bytes
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_13B, FAVOR_MINI, VIDEO_SALMONN_13B

CARD = 24 * 10**9
RESERVED = 10**9  # by the driver, and lost between blocks


def nbytes(model):
    """Bytes of all parameters, with the scales and tables of quantized ones."""
    tensors = [*model.parameters(), *(buffer for name, buffer in model.named_buffers() if "_proj" in name)]
    states = [parameter.quant_state for parameter in model.parameters() if hasattr(parameter, "quant_state")]
    return sum(tensor.nbytes for tensor in tensors) + sum(state.absmax.nbytes + state.code.nbytes for state in states)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", [None, "int8", "int4"])
def test_weights_are_as_large_as_predicted(dtype, quantization):
    model = FavorModel.from_pretrained("favor-mini", device="cpu", dtype=dtype, quantization=quantization)
    assert weight_bytes(FAVOR_MINI, dtype, quantization) == pytest.approx(nbytes(model), rel=1e-3)


@pytest.mark.parametrize("config", [FAVOR_13B, VIDEO_SALMONN_13B], ids=lambda config: config.name)
@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_a_quantized_13b_answers_four_windows_on_a_24_gb_card(config, quantization):
    assert memory_need(config, "float16", quantization, Batch(windows=4)).total < CARD - RESERVED


def test_an_unquantized_13b_does_not():
    assert memory_need(FAVOR_13B, "float16").weights > CARD


def test_13b_in_float16_is_two_bytes_a_parameter():
    """13.0 billion of Vicuna, 1.9 of the encoders and Q-Formers, 0.1 that were trained."""
    assert weight_bytes(FAVOR_13B, "float16") == pytest.approx(2 * 14.9e9, rel=0.01)


def test_beams_longer_answers_and_more_windows_need_more():
    needs = [Batch(), Batch(new_tokens=256), Batch(new_tokens=256, beams=5), Batch(8, new_tokens=256, beams=5)]
    totals = [memory_need(FAVOR_13B, "float16", "int4", batch).total for batch in needs]
    assert totals == sorted(set(totals))
