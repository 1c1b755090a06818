"""Releases of random weights in the authors' layout, of any size and with the oddities that real ones have."""

import copy
import dataclasses
import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from favor.importing.origins import released_layout
from favor.importing.release import ImportOptions, import_release
from favor.models.favor.presets import FAVOR_13B

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "favor_released"
PICKLES = {"delta": "delta.pt", "eva": "eva.pth", "instructblip": "blip.pth", "beats": "beats.pt"}
TOLD_BY_NO_FILE = {
    "visual": {"num_attention_heads": 6},
    "image_qformer": {"num_attention_heads": 3},
    "causal_qformer": {"num_attention_heads": 6, "resolutions": [[5, 30]]},
    "lora": {"alpha": 12},
}
SMALL = {
    "visual": {
        "hidden_size": 36,
        "intermediate_size": 50,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "image_size": 56,
        "patch_size": 28,
    },
    "image_qformer": {
        "vocab_size": 380,
        "hidden_size": 24,
        "num_hidden_layers": 5,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 100,
        "cross_attention_frequency": 3,
        "num_query_tokens": 28,
    },
    "speech": {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 20},
    "causal_qformer": {
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "intermediate_size": 44,
        "resolutions": [[5, 30]],
        "max_positions": 200,
    },
    "language": {
        "vocab_size": 600,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "rope_theta": 50000.0,
        "max_position_embeddings": 512,
    },
    "lora": {"rank": 3, "alpha": 12},
    "prompt": {"max_question_tokens": 100},
}


class Release:
    """Released files of a model, which a test may spoil before they are written."""

    def __init__(self, folder, config, seed=0, dtype=torch.float32):
        self.folder, self.config = folder, config
        self.untold = copy.deepcopy(TOLD_BY_NO_FILE)
        generator = torch.Generator().manual_seed(seed)
        self.tensors = {
            source: {key: torch.randn(shape, generator=generator).to(dtype) for key, shape in keys.items()}
            for source, keys in released_layout(config).items()
        }
        self.whisper = {"model_type": "whisper", **dataclasses.asdict(config.speech)}
        self.llama = {"model_type": "llama", **dataclasses.asdict(config.language)}

    def write(self):
        """Writes the files and returns the options that name them."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        options = {}
        for source, tensors in self.tensors.items():
            if source in PICKLES:
                options[source] = str(self.folder / PICKLES[source])
                torch.save(self._pickled(source, tensors), options[source])
            else:
                options[source] = str(self._write_folder(source, tensors))
        shutil.copytree(GOLDEN / "bert", self.folder / "bert", dirs_exist_ok=True)
        return {**options, "bert": str(self.folder / "bert")}

    def _pickled(self, source, tensors):
        if source == "beats":
            form = {"layer_norm_first": False, "deep_norm": True, "gru_rel_pos": True, "conv_bias": False}
            form |= {"relative_position_embedding": True, "activation_fn": "gelu", "dropout": 0.0}
            return {"cfg": {**form, **dataclasses.asdict(self.config.sound)}, "model": tensors}
        return {"model": tensors} if source == "instructblip" else tensors

    def _write_folder(self, source, tensors):
        folder = self.folder / source
        folder.mkdir(exist_ok=True)
        save_file(tensors, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(self.whisper if source == "whisper" else self.llama))
        if source == "llm":
            shutil.copy(GOLDEN / "llm" / "tokenizer.model", folder)
        return folder


@pytest.fixture
def small():
    """Sizes that no preset has."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def release(tmp_path):
    """A release of sizes that no preset has."""
    return Release(tmp_path / "release", FAVOR_13B.override(SMALL))


@pytest.fixture
def make_release(tmp_path):
    """Makes a release of a configuration; see ``Release`` for its arguments."""
    return functools.partial(Release, tmp_path / "release")


@pytest.fixture
def imported(tmp_path):
    """Imports a release and returns the folder."""

    def run(release, recipe="favor-13b", **options):
        output = tmp_path / "model"
        how = ImportOptions(config=release.untold, overwrite=True, **options)
        import_release(recipe, release.write(), output, how)
        return output

    return run
