"""Writing model folders."""

from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from torch import nn

from favor.io.checksums import CHECKSUMS_FILE
from favor.models.favor.config import FavorConfig
from favor.models.favor.folder import LANGUAGE_TOKENIZER, QUESTION_TOKENIZER, weight_files, write_config
from favor.models.favor.language import Prompter


def write_folder(
    model: nn.Module, config: FavorConfig, prompter: Prompter, folder: Path, dtype: torch.dtype | None = None
) -> None:
    """Writes a complete model folder; large weights are split into several files.

    Args:
        model: model whose weights are written.
        config: configuration of the model.
        prompter: tokenizers of the model.
        folder: folder to write to.
        dtype: type of the written weights; None keeps their type.
    """
    write_config(config, folder)
    (folder / CHECKSUMS_FILE).unlink(missing_ok=True)  # left by an import that this overwrites
    prompter.language.save_pretrained(folder / LANGUAGE_TOKENIZER)
    prompter.question.save_pretrained(folder / QUESTION_TOKENIZER)
    write_weights(model, folder, dtype)


def write_weights(model: nn.Module, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes weights, readable by everyone, into a model folder; large ones are split into several files."""
    weights = {name: values if dtype is None else values.to(dtype) for name, values in model.state_dict().items()}
    save_torch_state_dict(weights, folder)
    for path in weight_files(folder):
        path.chmod(0o644)
