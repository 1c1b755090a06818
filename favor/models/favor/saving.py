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
    """Writes a whole model folder, in several files if the weights are large.

    Args:
        model: whose weights are written.
        config: of it.
        prompter: its tokenizers.
        folder: where to.
        dtype: of the written weights; None for that which they have.
    """
    write_config(config, folder)
    (folder / CHECKSUMS_FILE).unlink(missing_ok=True)  # of an import that this overwrites
    prompter.language.save_pretrained(folder / LANGUAGE_TOKENIZER)
    prompter.question.save_pretrained(folder / QUESTION_TOKENIZER)
    write_weights(model, folder, dtype)


def write_weights(model: nn.Module, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes weights, which everyone may read, into a model folder, in several files if they are large."""
    weights = {name: values if dtype is None else values.to(dtype) for name, values in model.state_dict().items()}
    save_torch_state_dict(weights, folder)
    for path in weight_files(folder):
        path.chmod(0o644)
