import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from favor.importing.release import ImportOptions, import_release
from favor.media.clip import Clip
from favor.models.base import GenerationOptions
from favor.models.favor.folder import read_config
from favor.models.favor.generation import score_tokens
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import VIDEO_SALMONN_13B

ADAPTER = "llama_model.base_model.model.model.layers.1.self_attn.k_proj.lora_{}.default.weight"


def weights(folder):
    return {name: tensor for path in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(path).items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_sizes_are_those_of_the_files(release, imported):
    assert read_config(imported(release)) == release.config


def test_every_tensor_is_where_it_belongs(release, imported):
    ours, theirs = weights(imported(release)), release.tensors
    block, zeros = "blocks.1.attn", torch.zeros(36)
    biases = [theirs["eva"][f"{block}.q_bias"], zeros, theirs["eva"][f"{block}.v_bias"]]
    for name, tensor in {
        "visual.vit.encoder.layers.1.self_attn.qkv.bias": torch.cat(biases),
        "visual.vit.encoder.layers.1.self_attn.qkv.weight": theirs["eva"][f"{block}.qkv.weight"],
        "visual.vit.post_layernorm.weight": theirs["instructblip"]["ln_vision.weight"],
        "image_qformer.query_tokens": theirs["instructblip"]["query_tokens"],
        "aligner.positions.weight": theirs["delta"]["video_frame_position_embedding.weight"],
        "speech.whisper.conv1.weight": theirs["whisper"]["encoder.conv1.weight"],
        "llm.model.layers.1.self_attn.k_proj.base_layer.weight": theirs["llm"][
            "model.layers.1.self_attn.k_proj.weight"
        ],
        "llm.model.layers.1.self_attn.k_proj.lora_A.default.weight": theirs["delta"][ADAPTER.format("A")],
        "llm.lm_head.weight": theirs["llm"]["lm_head.weight"],
    }.items():
        torch.testing.assert_close(ours[name], tensor, atol=0, rtol=0)
    released = sum(tensor.numel() for tensors in theirs.values() for tensor in tensors.values())
    assert sum(tensor.numel() for tensor in ours.values()) == released + 2 * len(zeros)


@pytest.mark.numeric
def test_adapters_are_merged_on_request(release, imported):
    folder = imported(release, merge_lora=True)
    assert read_config(folder) == dataclasses.replace(release.config, lora=None)
    delta, base = release.tensors["delta"], release.tensors["llm"]["model.layers.1.self_attn.k_proj.weight"]
    expected = base.double() + 12 / 3 * (delta[ADAPTER.format("B")].double() @ delta[ADAPTER.format("A")].double())
    merged = weights(folder)["llm.model.layers.1.self_attn.k_proj.weight"]
    torch.testing.assert_close(merged.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.numeric
def test_merged_and_kept_adapters_answer_alike(release, imported, leads):
    clip = Clip(frames=np.random.default_rng(0).integers(0, 255, (3, 56, 56, 3), dtype=np.uint8))
    kept, merged = (
        FavorModel.from_pretrained(imported(release, merge_lora=merge), device="cpu") for merge in (False, True)
    )
    (answer,) = kept.answer([clip], ["Why?"], GenerationOptions(max_new_tokens=5))
    prompt = merged.prompt_embeddings([clip], ["Why?"])
    with torch.inference_mode():
        logprobs = score_tokens(merged.llm, *prompt, [list(answer.token_ids)])
    assert logprobs.mean().item() == pytest.approx(answer.mean_logprob, abs=1e-3)
    assert leads(merged, clip, "Why?", answer.token_ids).min() > -1e-3  # both would choose these tokens


def test_what_is_known_to_be_unused_is_left_out(release, imported):
    plain, one = weights(imported(release)), torch.ones(1)
    last = {key: tensor for key, tensor in release.tensors["eva"].items() if key.startswith("blocks.1.")}
    release.tensors["eva"] |= {key.replace("blocks.1.", "blocks.2."): tensor for key, tensor in last.items()}
    release.untold["visual"]["num_hidden_layers"] = 2
    release.tensors["instructblip"] |= {
        "Qformer.bert.embeddings.position_ids": torch.arange(9),
        "Qformer.cls.predictions.bias": one,
        "llm_proj.weight": one,
    }
    release.tensors["delta"] |= {
        "low_Qformer.bert.embeddings.LayerNorm.weight": one,
        "video_Qformer.bert.encoder.layer.0.intermediate.dense.weight": one,
    }
    release.tensors["whisper"] |= {"decoder.layers.0.fc1.weight": one, "proj_out.weight": one.clone()}
    release.tensors["llm"]["model.layers.0.self_attn.rotary_emb.inv_freq"] = one
    assert same(weights(imported(release)), plain)


def test_parameters_under_their_other_names(release, imported):
    plain, delta = weights(imported(release)), release.tensors["delta"]
    delta["joint_query_tokens"] = delta["video_query_tokens"].clone()  # beside its name
    for name in [name for name in delta if name.startswith(("video_Qformer", "ln_video", "llama_proj"))]:
        alias = name.replace("video_Qformer", "speech_Qformer").replace("ln_video", "ln_joint")
        delta[alias.replace("llama_proj", "llama_proj_speech")] = delta.pop(name)
    assert same(weights(imported(release)), plain)


def test_half_precision_stays_unless_another_type_is_asked_for(make_release, release, imported):
    halves = make_release(release.config, dtype=torch.float16)
    kept = weights(imported(halves))
    assert {tensor.dtype for tensor in kept.values()} == {torch.float16}
    wide = weights(imported(halves, dtype=torch.float32))
    assert same(wide, {name: tensor.float() for name, tensor in kept.items()})


def test_a_training_checkpoint_and_hub_folders_of_pickles(release, imported, tmp_path):
    output, options = imported(release), release.write()
    plain = weights(output)
    torch.save({"model": release.tensors["delta"], "optimizer": {"step": 3}, "epoch": 1}, options["delta"])
    llm = release.folder / "llm"
    (llm / "model.safetensors").unlink()
    tensors = list(release.tensors["llm"].items())  # one of which is in both shards
    torch.save(dict(tensors[:9]), llm / "pytorch_model-00001-of-00002.bin")
    torch.save(dict(tensors[8:]), llm / "pytorch_model-00002-of-00002.bin")
    (release.folder / "whisper" / "model.safetensors").unlink()
    whisper = {f"model.{key}": tensor for key, tensor in release.tensors["whisper"].items()}
    torch.save(whisper, release.folder / "whisper" / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    import_release("favor-13b", options, output, ImportOptions(config=release.untold, overwrite=True))
    assert same(weights(output), plain)


def hub_blip(release):
    """The same ViT and image Q-Former, saved by transformers."""
    visual, qformer = (dataclasses.asdict(part) for part in (release.config.visual, release.config.image_qformer))
    queries = qformer.pop("num_query_tokens")
    llm = {"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = InstructBlipConfig(
        vision_config=visual,
        qformer_config={**qformer, "encoder_hidden_size": visual["hidden_size"]},
        text_config=llm,
        num_query_tokens=queries,
    )
    return InstructBlipForConditionalGeneration(config)


def test_instructblip_of_the_hub_in_place_of_two_files(release, imported, tmp_path):
    output, options = imported(release), release.write()
    config, plain = read_config(output), weights(output)
    blip = hub_blip(release)
    names = {"visual.vit.": "vision_model.", "image_qformer.qformer.": "qformer.", "image_qformer.query": "query"}
    renamed = {
        name.replace(ours, theirs): tensor
        for name, tensor in plain.items()
        for ours, theirs in names.items()
        if name.startswith(ours)
    }
    assert not blip.load_state_dict(renamed, strict=False).unexpected_keys
    blip.save_pretrained(tmp_path / "hub")
    del options["eva"]
    untold = {"causal_qformer": release.untold["causal_qformer"], "lora": release.untold["lora"]}
    how = ImportOptions(config=untold, overwrite=True)
    import_release("favor-13b", {**options, "instructblip": str(tmp_path / "hub")}, output, how)
    assert read_config(output) == config
    assert same(weights(output), plain)


def test_video_salmonn(small, make_release, imported):
    sizes = {"encoder_embed_dim": 24, "encoder_layers": 2, "encoder_attention_heads": 3, "encoder_ffn_embed_dim": 20}
    sizes |= {"embed_dim": 8, "conv_pos": 6, "conv_pos_groups": 2, "num_buckets": 16, "max_distance": 20}
    values = {name: value for name, value in small.items() if name != "causal_qformer"}
    causal = {**small["causal_qformer"], "resolutions": [[5, 15], [1, 3]]}
    config = VIDEO_SALMONN_13B.override({**values, "sound": sizes, "causal_qformer": causal})
    salmonn = make_release(config)
    salmonn.untold["causal_qformer"]["resolutions"] = [[5, 15], [1, 3]]
    salmonn.tensors["beats"]["predictor.weight"] = torch.ones(1)
    copied = "encoder.layers.{}.self_attn.relative_attention_bias.weight"
    salmonn.tensors["beats"][copied.format(1)] = salmonn.tensors["beats"][copied.format(0)].clone()
    salmonn.tensors["delta"]["low_Qformer.bert.embeddings.LayerNorm.bias"] = torch.ones(1)
    folder = imported(salmonn, "video-salmonn-13b")
    assert read_config(folder) == config
    ours = weights(folder)
    for name, (source, key) in {
        "sound.encoder.pos_conv.0.weight_g": ("beats", "encoder.pos_conv.0.weight_g"),
        "aligner.query_tokens.0": ("delta", "video_query_tokens"),
        "aligner.query_tokens.1": ("delta", "low_query_tokens"),
        "aligner.sound_proj.weight": ("delta", "beats_pre_qformer_proj.weight"),
    }.items():
        assert torch.equal(ours[name], salmonn.tensors[source][key]), name
    clip = Clip(audio=np.zeros(16_000, np.float32))
    FavorModel.from_pretrained(folder, device="cpu").answer([clip], ["Why?"], GenerationOptions(max_new_tokens=1))


def test_several_shards_load_like_one(release, imported):
    plain = weights(imported(release))
    folder = imported(release, shard_bytes=40_000)
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 3
    assert same(weights(folder), plain)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in plain.values())
    assert {name: load_file(folder / file)[name].shape for name, file in index["weight_map"].items()} == {
        name: tensor.shape for name, tensor in plain.items()
    }
    FavorModel.from_pretrained(folder, device="cpu")


def test_urls_are_fetched(release, imported, tmp_path):
    plain = weights(imported(release))
    options = {name: f"file://{path}" for name, path in release.write().items()}
    output = tmp_path / "fetched"
    import_release("favor-13b", options, output, ImportOptions(config=release.untold))
    assert same(weights(output), plain)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_the_manifest_tells_every_source(release, imported):
    folder = imported(release)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [(entry["source"], entry["file"]) for entry in manifest["sources"]] == [
        ("delta", "delta.pt"),
        ("eva", "eva.pth"),
        ("instructblip", "blip.pth"),
        ("whisper", "config.json"),
        ("whisper", "model.safetensors"),
        ("llm", "config.json"),
        ("llm", "model.safetensors"),
        ("llm", "tokenizer.model"),
        ("bert", "vocab.txt"),
    ]
    assert manifest["files"].keys() == {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {
        "manifest.json"
    }
    assert manifest["config"] == release.untold
