"""The whole model against the released code: tiny released files go in, its prompts, logits and texts must come out."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import BertTokenizer, LlamaTokenizer

from favor.checkpoints import restore_buffers
from favor.config import FavorConfig
from favor.encoders.speech import LogMel, cut_pieces
from favor.generation import GenerationOptions, generate
from favor.language import Prompter
from favor.media.clip import Clip
from favor.model import FavorModel
from favor.presets import FAVOR_13B
from favor.released_names import (
    canonical,
    image_qformer_names,
    language_name,
    released_names,
    speech_name,
    visual_biases,
    visual_names,
)

FILES = Path(__file__).parent / "data" / "golden" / "favor_released"
SIZES = {
    "visual": {"hidden_size": 64, "intermediate_size": 279, "num_hidden_layers": 3},
    "image_qformer": {"vocab_size": 373, "hidden_size": 48, "num_hidden_layers": 4, "intermediate_size": 96},
    "speech": {"d_model": 40, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 96},
    "causal_qformer": {"hidden_size": 48, "intermediate_size": 96},
    "language": {
        "vocab_size": 600,
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
    },
    "lora": {"rank": 4},
}
CASES = ["video_audio", "video_only", "audio_only"]


def tiny_config() -> FavorConfig:
    heads = json.loads((FILES / "overrides.json").read_text())
    return FAVOR_13B.override({name: section | heads.get(name, {}) for name, section in SIZES.items()})


def read_weights(config):
    """All released tensors under our names."""
    vit = torch.load(FILES / "eva_vit_g.pth", weights_only=True)
    blip = torch.load(FILES / "instruct_blip_vicuna13b_trimmed.pth", weights_only=True)["model"]
    delta = torch.load(FILES / "pytorch_model_1_101.pt", weights_only=True)
    delta = {canonical(name): tensor for name, tensor in delta.get("model", delta).items()}
    weights = {ours: vit[theirs] for ours, theirs in visual_names(config).items()}
    for ours, (q, v) in visual_biases(config).items():
        weights[ours] = torch.cat([vit[q], torch.zeros_like(vit[q]), vit[v]])
    weights |= {ours: blip[theirs] for ours, theirs in image_qformer_names(config).items()}
    weights |= {ours: delta[theirs] for ours, theirs in released_names(config).items()}
    whisper = load_file(FILES / "whisper" / "model.safetensors")
    weights |= {speech_name(name): tensor for name, tensor in whisper.items() if ".encoder." in f".{name}"}
    llm = load_file(FILES / "llm" / "model.safetensors")
    return weights | {language_name(config, name): tensor for name, tensor in llm.items() if "inv_freq" not in name}


@pytest.fixture(scope="module")
def model():
    config = tiny_config()
    question = BertTokenizer(str(FILES / "bert" / "vocab.txt"))
    question.add_special_tokens({"bos_token": "[DEC]"})
    prompter = Prompter(config.prompt, LlamaTokenizer.from_pretrained(FILES / "llm"), question)
    with torch.device("meta"):
        model = FavorModel(config, prompter)
    weights = {name: tensor.float() for name, tensor in read_weights(config).items()}
    model.load_state_dict(weights, strict=True, assign=True)
    restore_buffers(model, torch.device("cpu"))
    return model.eval()


@pytest.fixture(scope="module")
def expected():
    with safe_open(FILES / "expected.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors | {"prompt": file.metadata()["prompt"]}


def clip_of(case, expected):
    return Clip(
        frames=expected["clip/frames"].numpy() if "video" in case else None,
        audio=expected["clip/audio"].numpy() if "audio" in case else None,
    )


def test_log_mel(expected):
    mel = LogMel(80)(cut_pieces(expected["clip/audio"]))[0]
    torch.testing.assert_close(mel, expected["clip/mel"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", ["video_audio", "video_only"])
def test_visual_features(case, model, expected):
    with torch.no_grad():
        (features,) = model.encode([clip_of(case, expected)])
        (visual,) = model._visual_slots([features], [expected["prompt"]])
    torch.testing.assert_close(visual.flatten(0, 1), expected[f"{case}/visual_features"][0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_prompts_and_logits(case, model, expected):
    embeddings, mask = model.prompt_embeddings([clip_of(case, expected)], [expected["prompt"]])
    # What the encoders leave as rounding, 4e-5, grows in the peaked attention of random weights.
    torch.testing.assert_close(embeddings, expected[f"{case}/inputs_embeds"], atol=1e-3, rtol=1e-3)
    with torch.no_grad():
        logits = model.llm(inputs_embeds=embeddings, attention_mask=mask).logits[:, -1]
    torch.testing.assert_close(logits, expected[f"{case}/next_logits"], atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("ids", "options"),
    [
        ("greedy_ids", GenerationOptions(max_new_tokens=12)),
        (
            "beam_ids",
            GenerationOptions(max_new_tokens=12, min_new_tokens=1, num_beams=5, repetition_penalty=1.5),
        ),
    ],
)
def test_generated_tokens(case, ids, options, model, expected):
    embeddings, mask = model.prompt_embeddings([clip_of(case, expected)], [expected["prompt"]])
    (row,) = generate(model.llm, embeddings, mask, options)
    assert list(row.token_ids) == expected[f"{case}/{ids}"][0].tolist()
