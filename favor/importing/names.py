"""The names of our parameters in the authors' released files and in the models on the hub (spec section 5)."""

import re
from collections.abc import Iterator

from favor.models.favor.config import FavorConfig

WEIGHT_AND_BIAS = ("weight", "bias")

# Modules that share their weights in the released code; a file may hold either name.
ALIASES = {
    "speech_Qformer": "video_Qformer",
    "joint_Qformer": "video_Qformer",
    "speech_query_tokens": "video_query_tokens",
    "joint_query_tokens": "video_query_tokens",
    "llama_proj_speech": "llama_proj",
    "llama_proj_joint": "llama_proj",
    "ln_speech": "ln_video",
    "ln_joint": "ln_video",
    "speech_frame_position_embedding": "video_frame_position_embedding",
    "joint_frame_position_embedding": "video_frame_position_embedding",
}

# Computed rather than learned, or saved but never used: video-SALMONN's second Q-Former, InstructBLIP's projection.
SKIPPED = re.compile(r"(.*\.position_ids|.*rotary_emb\.inv_freq|low_Qformer\..*|llm_proj\..*)$")


def canonical(name: str) -> str:
    """Returns the canonical name of a parameter that has several names in released files."""
    module, dot, rest = name.partition(".")
    return ALIASES.get(module, module) + dot + rest


def released_names(config: FavorConfig) -> dict[str, str]:
    """Maps our names of all trained parameters to those in the released delta; the shapes are the same."""
    return {**_aligner_names(config), **_lora_names(config)}


def visual_names(config: FavorConfig) -> dict[str, str]:
    """Maps our names of the ViT's parameters to those in ``eva_vit_g.pth``; the last norm comes from InstructBLIP.

    The q, k and v biases are one vector here but two there; see ``visual_biases``.
    """
    embeddings = "visual.vit.embeddings"
    names = {
        f"{embeddings}.class_embedding": "cls_token",
        f"{embeddings}.position_embedding": "pos_embed",
        **_module(f"{embeddings}.patch_embedding", "patch_embed.proj"),
    }
    for layer in range(config.visual.num_hidden_layers):
        ours, theirs = f"visual.vit.encoder.layers.{layer}", f"blocks.{layer}"
        names |= _module(f"{ours}.layer_norm1", f"{theirs}.norm1")
        names |= {f"{ours}.self_attn.qkv.weight": f"{theirs}.attn.qkv.weight"}
        names |= _module(f"{ours}.self_attn.projection", f"{theirs}.attn.proj")
        names |= _module(f"{ours}.layer_norm2", f"{theirs}.norm2")
        names |= _module(f"{ours}.mlp.fc1", f"{theirs}.mlp.fc1")
        names |= _module(f"{ours}.mlp.fc2", f"{theirs}.mlp.fc2")
    return names


def visual_biases(config: FavorConfig) -> dict[str, tuple[str, str]]:
    """Maps our names of the ViT's joint biases to the released q and v biases; the k bias between them is zero."""
    return {
        f"visual.vit.encoder.layers.{layer}.self_attn.qkv.bias": (
            f"blocks.{layer}.attn.q_bias",
            f"blocks.{layer}.attn.v_bias",
        )
        for layer in range(config.visual.num_hidden_layers)
    }


def image_qformer_names(config: FavorConfig) -> dict[str, str]:
    """Maps our names of the image Q-Former and the ViT's last norm to those in InstructBLIP's released file."""
    ours, theirs = "image_qformer.qformer.embeddings", "Qformer.bert.embeddings"
    names = {
        "image_qformer.query_tokens": "query_tokens",
        f"{ours}.word_embeddings.weight": f"{theirs}.word_embeddings.weight",
        f"{ours}.position_embeddings.weight": f"{theirs}.position_embeddings.weight",
        **_module(f"{ours}.layernorm", f"{theirs}.LayerNorm"),
        **_module("visual.vit.post_layernorm", "ln_vision"),
    }
    for layer in range(config.image_qformer.num_hidden_layers):
        ours, theirs = f"image_qformer.qformer.encoder.layer.{layer}", f"Qformer.bert.encoder.layer.{layer}"
        attentions = ["attention"]
        if layer % config.image_qformer.cross_attention_frequency == 0:
            attentions.append("crossattention")
        for attention in attentions:
            for part in ("query", "key", "value"):
                names |= _module(f"{ours}.{attention}.attention.{part}", f"{theirs}.{attention}.self.{part}")
            names |= _same(ours, theirs, (f"{attention}.output.dense", f"{attention}.output.LayerNorm"))
        for branch in ("", "_query"):
            names |= _same(ours, theirs, (f"intermediate{branch}.dense", f"output{branch}.dense"))
            names |= _same(ours, theirs, (f"output{branch}.LayerNorm",))
    return names


def _aligner_names(config: FavorConfig) -> dict[str, str]:
    names = {
        "aligner.positions.weight": "video_frame_position_embedding.weight",
        **_module("aligner.speech_proj", "speech_pre_qformer_proj"),
        **_module("aligner.frame_norm", "ln_video"),
        **_module("aligner.llm_proj", "llama_proj"),
        **_module("aligner.causal_qformer.norm", "video_Qformer.bert.embeddings.LayerNorm"),
    }
    for index, released in zip(range(len(config.causal_qformer.resolutions)), ("video", "low"), strict=False):
        names[f"aligner.query_tokens.{index}"] = f"{released}_query_tokens"
    if config.sound is not None:
        names |= _module("aligner.sound_proj", "beats_pre_qformer_proj")
    for layer in range(config.causal_qformer.num_hidden_layers):
        ours, theirs = f"aligner.causal_qformer.layers.{layer}", f"video_Qformer.bert.encoder.layer.{layer}"
        for name, released in _causal_layer_modules():
            names |= _module(f"{ours}.{name}", f"{theirs}.{released}")
    return names


def _causal_layer_modules() -> Iterator[tuple[str, str]]:
    attentions = {
        "self_attention": "attention",
        "cross_attention": "crossattention",
        "causal_attention": "encoder_causal_attention",
    }
    for ours, theirs in attentions.items():
        for part in ("query", "key", "value"):
            yield f"{ours}.{part}", f"{theirs}.self.{part}"
        yield f"{ours}.out", f"{theirs}.output.dense"
        yield f"{ours}.norm", f"{theirs}.output.LayerNorm"
    yield "feed_forward.up", "intermediate_query.dense"
    yield "feed_forward.down", "output_query.dense"
    yield "feed_forward.norm", "output_query.LayerNorm"


def _lora_names(config: FavorConfig) -> dict[str, str]:
    if config.lora is None:
        return {}
    return {
        f"llm.model.{name}": f"llama_model.base_model.model.model.{name}"
        for layer in range(config.language.num_hidden_layers)
        for target in config.lora.targets
        for name in (f"layers.{layer}.self_attn.{target}.lora_{side}.default.weight" for side in "AB")
    }


def _module(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}" for leaf in WEIGHT_AND_BIAS}


def _same(ours: str, theirs: str, modules: tuple[str, ...]) -> dict[str, str]:
    return {
        key: value for module in modules for key, value in _module(f"{ours}.{module}", f"{theirs}.{module}").items()
    }
