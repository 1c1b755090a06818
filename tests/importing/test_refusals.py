"""What is wrong with released files is told with file and key, and nothing is written."""

import json
import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from favor.errors import FavorError
from favor.importing.release import ImportOptions, import_release
from favor.importing.tensor_files import TensorFile, check_zip


class Code:
    """A pickle of it runs a command when it is loaded without care."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def refused(tmp_path):
    """Imports what must be refused, and checks that nothing is left; returns the message."""

    def run(release, options):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(FavorError) as caught:
            import_release("favor-13b", options, tmp_path / "new" / "model", ImportOptions(config=release.untold))
        assert sorted(tmp_path.iterdir()) == before
        message = str(caught.value)
        assert "\n" not in message
        return message

    return run


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("delta", "ln_video.bias"),
        ("delta", "video_query_tokens"),
        ("delta", "llama_model.base_model.model.model.layers.1.self_attn.v_proj.lora_B.default.weight"),
        ("eva", "blocks.0.attn.v_bias"),
        ("eva", "pos_embed"),
        ("instructblip", "ln_vision.weight"),
        ("whisper", "encoder.layer_norm.weight"),
        ("llm", "model.norm.weight"),
    ],
)
def test_a_missing_key_is_named(release, refused, source, key):
    del release.tensors[source][key]
    options = release.write()
    message = refused(release, options)
    assert f"{options[source]} lacks {key}" in message


@pytest.mark.parametrize("source", ["delta", "eva", "instructblip", "whisper", "llm"])
def test_an_unexpected_key_is_named(release, refused, source):
    release.tensors[source]["surplus.weight"] = torch.zeros(2)
    options = release.write()
    assert f"{options[source]} holds surplus.weight" in refused(release, options)


@pytest.mark.parametrize(
    ("source", "key", "shape"),
    [
        ("delta", "llama_proj.weight", (31, 24)),
        ("delta", "speech_pre_qformer_proj.weight", (24, 17)),
        ("delta", "video_query_tokens", (30, 24)),
        ("eva", "blocks.1.attn.q_bias", (35,)),
        ("instructblip", "Qformer.bert.encoder.layer.0.crossattention.self.key.weight", (24, 35)),
        ("whisper", "encoder.conv1.weight", (16, 81, 3)),
        ("llm", "lm_head.weight", (600, 31)),
    ],
)
def test_a_wrong_shape_is_named(release, refused, source, key, shape):
    release.tensors[source][key] = torch.zeros(shape)
    options = release.write()
    assert f"{options[source]}: {key} has shape {shape}" in refused(release, options)


def test_more_blocks_than_one_too_many_are_refused(release, refused):
    first = {key: tensor for key, tensor in release.tensors["eva"].items() if key.startswith("blocks.0.")}
    for block in (2, 3):
        release.tensors["eva"] |= {key.replace("blocks.0.", f"blocks.{block}."): t for key, t in first.items()}
    release.untold["visual"]["num_hidden_layers"] = 2
    assert "holds blocks.3." in refused(release, release.write())


def test_adapters_for_layers_that_the_llm_lacks(release, refused):
    key = "llama_model.base_model.model.model.layers.2.self_attn.q_proj.lora_A.default.weight"
    release.tensors["delta"][key] = torch.zeros(3, 32)
    assert f"delta.pt holds {key}" in refused(release, release.write())


def test_names_of_one_parameter_must_agree(release, refused):
    release.tensors["delta"]["joint_query_tokens"] = release.tensors["delta"]["video_query_tokens"] + 1
    message = refused(release, release.write())
    assert "delta.pt: joint_query_tokens and video_query_tokens" in message


@pytest.mark.parametrize(("dtype", "word"), [(torch.int8, "int8"), (torch.complex64, "complex64")])
def test_other_numbers_are_refused(release, refused, dtype, word):
    release.tensors["eva"]["cls_token"] = torch.zeros(1, 1, 36, dtype=dtype)
    assert f"cls_token holds torch.{word}" in refused(release, release.write())


def test_what_is_no_tensor_is_named(release, refused):
    release.tensors["eva"]["blocks.0.norm1.bias"] = 3
    assert "eva.pth: blocks.0.norm1.bias is int" in refused(release, release.write())


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_does_not_run(release, refused, tmp_path, legacy):
    options, marker = release.write(), tmp_path / "ran"
    release.tensors["delta"]["evil"] = Code(marker)
    torch.save(release.tensors["delta"], options["delta"], _use_new_zipfile_serialization=not legacy)
    message = refused(release, options)
    assert f"{options['delta']} is refused: it holds posix.system" in message
    assert not marker.exists()


def test_code_in_a_bare_pickle_does_not_run(release, refused, tmp_path):
    options, marker = release.write(), tmp_path / "ran"
    Path(options["eva"]).write_bytes(pickle.dumps({"model": Code(marker)}, protocol=2))
    assert "eva.pth is refused" in refused(release, options)
    assert not marker.exists()


@pytest.mark.parametrize(
    "path", ["delta.pt", "eva.pth", "blip.pth", "whisper/model.safetensors", "llm/model.safetensors"]
)
@pytest.mark.parametrize("kept", [0, 1, 7, 1000, -1, -1000])
def test_truncated_files_are_named(release, refused, path, kept):
    options, file = release.write(), release.folder / path
    file.write_bytes(file.read_bytes()[:kept])
    assert path in refused(release, options)


@pytest.mark.parametrize("path", ["delta.pt", "llm/model.safetensors", "llm/tokenizer.model", "bert/vocab.txt"])
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_refused(release, refused, path, seed):
    options = release.write()
    (release.folder / path).write_bytes(random.Random(seed).randbytes(5000))
    assert path in refused(release, options)


def test_a_flipped_bit_in_a_pickled_tensor_is_found(release, refused):
    options = release.write()
    file = Path(options["delta"])
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "delta.pt is damaged: the checksum of" in refused(release, options)


def test_a_safetensors_file_of_another_model(release, refused):
    options = release.write()
    save_file({"weight": torch.zeros(3)}, release.folder / "llm" / "model.safetensors")
    message = refused(release, options)
    assert f"{options['llm']} holds the weights of 0 layers, its config.json says 2" in message


def test_a_zip_archive_of_something_else(release, refused):
    options = release.write()
    with zipfile.ZipFile(options["eva"], "w") as archive:
        archive.writestr("letter.txt", "hello")
    assert "eva.pth is refused" in refused(release, options)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "model.safetensors"])
def test_an_incomplete_folder_is_named(release, refused, name):
    options = release.write()
    (release.folder / "llm" / name).unlink()
    message = refused(release, options)
    assert options["llm"] in message
    assert name in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu'; only 'silu'"),
        ({"model_type": "opt"}, "model_type = 'opt'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ({"head_dim": 16}, "head_dim = 16"),
        ({"num_hidden_layers": 10**9}, "config.json says 1000000000"),
        ({"vocab_size": 599}, "embed_tokens.weight has shape (600, 32)"),
        ({"vocab_size": "many"}, "not what it should be"),
        ({"eos_token_id": 7}, "language.eos_token_id is 7, but the tokenizer says 2"),
    ],
)
def test_an_llm_of_another_kind(release, refused, change, message):
    release.llama |= change
    assert message in refused(release, release.write())


def test_a_configuration_that_is_no_json(release, refused):
    options = release.write()
    (release.folder / "whisper" / "config.json").write_text("{")
    assert "whisper/config.json is not JSON" in refused(release, options)


def test_a_tokenizer_larger_than_the_embeddings(release, refused):
    release.tensors["llm"]["model.embed_tokens.weight"] = torch.zeros(500, 32)
    release.tensors["llm"]["lm_head.weight"] = torch.zeros(500, 32)
    release.llama["vocab_size"] = 500
    assert "language.vocab_size is 500, but its tokenizer has 600" in refused(release, release.write())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": None}, "favor-13b needs --delta too"),
        ({"eva": None}, "favor-13b needs --eva too"),
        ({"beats": "beats.pt"}, "favor-13b needs no --beats"),
        ({"delta": "/nowhere.pt"}, "--delta: there is no file or folder /nowhere.pt"),
        ({"delta": "models/nowhere.pt"}, "--delta: there is no file or folder models/nowhere.pt"),
        ({"eva": "none://x"}, "--eva: none://x cannot be read"),
    ],
)
def test_the_sources_themselves(release, refused, change, message):
    options = {**release.write(), **change}
    assert message in refused(release, {name: path for name, path in options.items() if path is not None})


def test_files_and_folders_are_not_mixed_up(release, refused):
    options = release.write()
    folder = options["llm"]
    assert "is a file; give the folder" in refused(release, {**options, "llm": options["eva"]})
    assert "is a folder; give the file" in refused(release, {**options, "delta": folder})
    assert "holds the ViT too; drop --eva" in refused(release, {**options, "instructblip": folder})


def test_an_output_that_is_there_is_kept(release, imported, tmp_path):
    folder = imported(release)
    mark = (folder / "manifest.json").read_bytes()
    options = release.write()
    with pytest.raises(FavorError, match="already exists"):
        import_release("favor-13b", options, folder, ImportOptions(config=release.untold))
    Path(options["delta"]).write_bytes(b"")
    with pytest.raises(FavorError, match=r"delta\.pt"):
        import_release("favor-13b", options, folder, ImportOptions(config=release.untold, overwrite=True))
    assert (folder / "manifest.json").read_bytes() == mark
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    with pytest.raises(FavorError, match=r"has no config\.json and will not be replaced"):
        import_release("favor-13b", options, tmp_path / "home", ImportOptions(overwrite=True))


def damaged(whole, draw):
    """The bytes of a file with some changed, most of them where its structure is described, and perhaps cut."""
    content = bytearray(whole)
    for _ in range(20):
        place = draw.choice([draw.randrange(len(content)), draw.randrange(30_000)])
        content[place] = draw.randrange(256)
    return content[: draw.choice([len(content), draw.randrange(len(content))])]


def read(path):
    check_zip(path)
    TensorFile(path)


def test_damaged_pickles_never_raise_anything_else(release):
    path, draw = Path(release.write()["instructblip"]), random.Random(0)
    whole = path.read_bytes()
    for _ in range(200):
        path.write_bytes(damaged(whole, draw))
        with pytest.raises(FavorError, match="blip"):
            read(path)


def test_the_configuration_given_wins_and_is_checked(release, refused):
    release.untold["speech"] = {"d_model": 8}
    assert "speech_pre_qformer_proj.weight has shape (24, 16)" in refused(release, release.write())
    release.untold = json.loads('{"visual": {"heads": 3}}')
    assert "no key 'heads'" in refused(release, release.write())


def test_what_no_file_tells_is_asked_for(release, refused):
    del release.untold["visual"]
    assert "cannot be split over 16 attention heads; change one of them; --config sets" in refused(
        release, release.write()
    )
