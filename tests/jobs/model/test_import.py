"""``favor import`` of the tiny released files, against what the released code made of them."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from favor.media.clip import Clip
from favor.models.base import GenerationOptions
from favor.models.favor.folder import read_config
from favor.models.favor.generation import generate_tokens, score_tokens
from favor.models.favor.model import FavorModel
from jobs.main import main

pytestmark = pytest.mark.numeric

GOLDEN = Path(__file__).parents[2] / "data" / "golden" / "favor_released"
SOURCES = {
    "delta": "pytorch_model_1_101.pt",
    "eva": "eva_vit_g.pth",
    "instructblip": "instruct_blip_vicuna13b_trimmed.pth",
    "whisper": "whisper",
    "llm": "llm",
    "bert": "bert",
}
CASES = ["video_audio", "video_only", "audio_only"]
CLOSE = {"atol": 1e-4, "rtol": 1e-4}
# What an encoder leaves as rounding, 2e-5, grows in the peaked attention of random weights: in float64 the released
# prompts are as far from ours as in float32.
CLOSE_AFTER_ALL = {"atol": 2e-3, "rtol": 1e-3}
SMALL = {
    "visual": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2},
    "image_qformer": {"hidden_size": 24, "num_hidden_layers": 1, "intermediate_size": 32, "vocab_size": 1100},
    "speech": {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16},
    "causal_qformer": {"hidden_size": 24, "intermediate_size": 32},
    "language": {
        "vocab_size": 2048,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
    "lora": {"rank": 2},
}


def favor(*arguments, status=0):
    """Runs a command in this process and returns what it printed."""
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.output


def import_golden(output, *arguments, status=0):
    files = [part for option, name in SOURCES.items() for part in (f"--{option}", GOLDEN / name)]
    config = ["--config", GOLDEN / "overrides.json"]
    return favor("import", "favor-13b", *files, *config, "--output", output, *arguments, status=status)


@pytest.fixture(scope="module", params=[[], ["--merge-lora"]], ids=["kept", "merged"])
def model(request, tmp_path_factory):
    """The released files, imported with their adapters kept apart and merged."""
    folder = tmp_path_factory.mktemp("imported") / "model"
    import_golden(folder, *request.param)
    return FavorModel.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def expected():
    with safe_open(GOLDEN / "expected.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors | {"prompt": file.metadata()["prompt"]}


def clip_of(case, expected):
    return Clip(
        frames=expected["clip/frames"].numpy() if "video" in case else None,
        audio=expected["clip/audio"].numpy() if "audio" in case else None,
    )


@torch.no_grad()
def next_logits(model, embeddings):
    return model.llm(inputs_embeds=embeddings).logits[:, -1]


@pytest.mark.parametrize("case", ["video_audio", "video_only"])
def test_visual_features(case, model, expected):
    with torch.no_grad():
        (visual,) = model._visual_slots(model.encode([clip_of(case, expected)]), [expected["prompt"]])
    torch.testing.assert_close(visual.flatten(0, 1), expected[f"{case}/visual_features"][0], **CLOSE)


def test_the_prompt_of_the_released_visual_features(model, expected, monkeypatch):
    visual = expected["video_only/visual_features"][0].unflatten(0, (-1, model.config.slots))
    monkeypatch.setattr(model, "_visual_slots", lambda features, questions: [visual])
    embeddings, _ = model.prompt_embeddings([clip_of("video_only", expected)], [expected["prompt"]])
    torch.testing.assert_close(embeddings, expected["video_only/inputs_embeds"], **CLOSE)
    torch.testing.assert_close(next_logits(model, embeddings), expected["video_only/next_logits"], **CLOSE)


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_the_prompt_is_exactly_the_released(case, model, expected):
    embeddings, _ = model.prompt_embeddings([clip_of(case, expected)], [expected["prompt"]])
    released = expected[f"{case}/inputs_embeds"]
    assert embeddings.shape == released.shape
    before, after = len(model.prompter.before_ids()), len(model.prompter.after_ids([expected["prompt"]])[0])
    assert torch.equal(embeddings[:, :before], released[:, :before])
    assert torch.equal(embeddings[:, -after:], released[:, -after:])


@pytest.mark.parametrize("case", CASES)
def test_logits_of_the_released_prompts(case, model, expected):
    logits = next_logits(model, expected[f"{case}/inputs_embeds"])
    torch.testing.assert_close(logits, expected[f"{case}/next_logits"], **CLOSE)


@pytest.mark.parametrize("case", CASES)
def test_from_the_clip_to_the_logits(case, model, expected):
    embeddings, _ = model.prompt_embeddings([clip_of(case, expected)], [expected["prompt"]])
    torch.testing.assert_close(embeddings, expected[f"{case}/inputs_embeds"], **CLOSE_AFTER_ALL)
    torch.testing.assert_close(next_logits(model, embeddings), expected[f"{case}/next_logits"], **CLOSE_AFTER_ALL)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("ids", "options"),
    [
        ("greedy_ids", GenerationOptions(max_new_tokens=12)),
        ("beam_ids", GenerationOptions(max_new_tokens=12, min_new_tokens=1, num_beams=5, repetition_penalty=1.5)),
    ],
)
def test_generated_tokens_of_the_released_prompts(case, ids, options, model, expected):
    embeddings = expected[f"{case}/inputs_embeds"]
    with torch.inference_mode():
        (row,) = generate_tokens(model.llm, embeddings, torch.ones(embeddings.shape[:2], dtype=torch.long), options)
    assert list(row.token_ids) == expected[f"{case}/{ids}"][0].tolist()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ids", ["greedy_ids", "beam_ids"])
def test_from_the_clip_to_the_score_of_the_released_answer(case, ids, model, expected):
    """Which tokens are generated would be luck: two of them are as likely within what the prompts differ by."""
    embeddings, mask = model.prompt_embeddings([clip_of(case, expected)], [expected["prompt"]])
    answer = expected[f"{case}/{ids}"].tolist()
    with torch.inference_mode():
        ours, released = (
            score_tokens(model.llm, e, mask, answer) for e in (embeddings, expected[f"{case}/inputs_embeds"])
        )
    assert ours.mean().item() == pytest.approx(released.mean().item(), abs=1e-3)


def test_a_random_model_loads_and_is_the_same_again(tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder, seed in zip(folders, (5, 5, 6), strict=True):
        favor("import", "--random", "favor-13b", "--config", tmp_path / "small.json", "--seed", seed, "-o", folder)
    one, two, other = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert one == two
    assert one != other
    model = FavorModel.from_pretrained(folders[0], device="cpu")
    assert not model.card.trained
    assert {parameter.shape for parameter in model.aligner.query_tokens} == {(1, 32, 24)}


def test_random_weights_with_real_tokenizers(tmp_path):
    (tmp_path / "small.json").write_text(json.dumps(SMALL | {"language": {**SMALL["language"], "vocab_size": 600}}))
    small = ["import", "--random", "favor-13b", "--config", tmp_path / "small.json", "-o", tmp_path / "model"]
    assert "language.vocab_size is 600, but its tokenizer has" in favor(*small, status=1)
    favor(*small, "--llm", GOLDEN / "llm", "--bert", GOLDEN / "bert", "--merge-lora", "--dtype", "bfloat16")
    model = FavorModel.from_pretrained(tmp_path / "model", device="cpu", dtype="bfloat16")
    assert model.config.lora is None
    assert len(model.prompter.language) == 600


def test_the_imported_model_answers_in_a_pipeline(tmp_path, plain_clip):
    import_golden(tmp_path / "model")
    favor("caption", plain_clip, "-o", tmp_path / "out", "--model", tmp_path / "model", "--max-new-tokens", 2)


def test_the_list_names_all_that_a_recipe_needs():
    listed = favor("import", "--list")
    for word in ("favor-13b", "favor-7b", "video-salmonn-13b", "--beats", "openai/whisper-large-v2", "eva_vit_g.pth"):
        assert word in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["favor-13b"], "Missing option '-o'"),
        (["-o", "x"], "give either PRESET and its files"),
        (["favor-13b", "--random", "favor-13b", "-o", "x"], "give either PRESET and its files"),
        (["favor-9000", "-o", "x"], "there is no recipe for 'favor-9000'"),
        (["favor-13b", "-o", "x"], "favor-13b needs --delta too"),
        (["--random", "favor-9000", "-o", "x"], "no model named 'favor-9000'"),
        (["--random", "favor-7b", "--eva", "f", "-o", "x"], "--random needs no --eva"),
        (["--random", "favor-7b", "--config", "nothing.json", "-o", "x"], "nothing.json"),
        (["--random", "favor-7b", "--config", "list.json", "-o", "x"], "list.json must hold a JSON object"),
        (["--random", "favor-7b", "--config", "broken.json", "-o", "x"], "broken.json is not JSON"),
        (["--random", "favor-7b", "--llm", "nowhere", "-o", "x"], "nowhere"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    result = CliRunner().invoke(main, ["import", *arguments])
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert not result.exception or isinstance(result.exception, SystemExit)
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    import_golden(tmp_path / "model")
    assert "already exists" in import_golden(tmp_path / "model", status=1)
    import_golden(tmp_path / "model", "--overwrite", "--merge-lora")
    assert read_config(tmp_path / "model").lora is None
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
