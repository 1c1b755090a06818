"""Model folders: config.json, safetensors and two tokenizers, read and written without a second copy in memory."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoTokenizer
from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerEmbeddings
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from favor.config import FavorConfig
from favor.errors import FavorError
from favor.language import Prompter
from favor.presets import PRESETS

CONFIG = "config.json"
LANGUAGE_TOKENIZER = "language_tokenizer"
QUESTION_TOKENIZER = "question_tokenizer"
PACKAGED = Path(__file__).parent / "weights"


def find_folder(name_or_folder: str | Path) -> Path:
    """The folder of a model that comes with this package, or of one that the user has.

    Raises:
        FavorError: if there is no such folder, or it is no model folder.
    """
    name = str(name_or_folder)
    folder = PACKAGED / name if name in PRESETS and (PACKAGED / name).is_dir() else Path(name)
    if (folder / CONFIG).is_file():
        return folder
    if name in PRESETS:
        raise FavorError(
            f"the weights of {name} do not come with this package; import the released files into a folder first "
            "and give that folder"
        )
    raise FavorError(
        f"{name} is neither a model folder (it has no {CONFIG}) nor one of the models {', '.join(PRESETS)}"
    )


def read_config(folder: Path) -> FavorConfig:
    """Reads the configuration of a model folder.

    Raises:
        FavorError: if it is no JSON or describes no possible model.
    """
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise FavorError(f"{folder / CONFIG} is not JSON: {error}; write it again") from error
    return FavorConfig.from_dict(values)


def write_config(config: FavorConfig, folder: Path) -> None:
    """Writes the configuration into a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")


def read_prompter(folder: Path, config: FavorConfig) -> Prompter:
    """Reads the two tokenizers of a model folder."""
    return Prompter(
        config.prompt,
        AutoTokenizer.from_pretrained(folder / LANGUAGE_TOKENIZER),
        AutoTokenizer.from_pretrained(folder / QUESTION_TOKENIZER),
    )


def write_folder(model: nn.Module, config: FavorConfig, prompter: Prompter, folder: Path) -> None:
    """Writes a whole model folder, in several files if the weights are large."""
    write_config(config, folder)
    prompter.language.save_pretrained(folder / LANGUAGE_TOKENIZER)
    prompter.question.save_pretrained(folder / QUESTION_TOKENIZER)
    save_torch_state_dict(model.state_dict(), folder)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a model folder, in the order of their names."""
    return sorted(folder.glob("*.safetensors"))


def load_weights(model: nn.Module, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Fills a model that was built on the meta device, tensor by tensor.

    Args:
        model: on the meta device.
        folder: with safetensors.
        device: where the weights go.
        dtype: what they become.

    Raises:
        FavorError: if a tensor is missing, unknown or has another shape.
    """
    missing = dict(model.named_parameters())
    for name, tensor in _tensors(folder):
        if name not in missing:
            raise FavorError(f"{folder} holds {name}, which this model does not have; its {CONFIG} does not fit")
        expected = tuple(missing.pop(name).shape)
        if tuple(tensor.shape) != expected:
            raise FavorError(f"{folder}: {name} has shape {tuple(tensor.shape)}, the {CONFIG} wants {expected}")
        _assign(model, name, tensor.to(device, dtype))
    if missing:
        raise FavorError(f"{folder} lacks {len(missing)} tensors, such as {next(iter(missing))}; copy it again")
    restore_buffers(model, device)


def restore_buffers(model: nn.Module, device: torch.device) -> None:
    """Makes anew what is computed rather than stored: position ids and rotary frequencies."""
    for module in model.modules():
        if isinstance(module, InstructBlipQFormerEmbeddings):
            count = module.config.max_position_embeddings
            module.position_ids = torch.arange(count, device=device).expand(1, -1)
        elif isinstance(module, LlamaRotaryEmbedding):
            frequencies = LlamaRotaryEmbedding(module.config).inv_freq.to(device)
            module.inv_freq, module.original_inv_freq = frequencies, frequencies.clone()
    lost = [name for name, buffer in model.named_buffers() if buffer.is_meta]
    assert not lost, f"no rule makes the buffers {lost}"


def revision(config: FavorConfig, folder: Path) -> str:
    """Twelve hexadecimal digits that change whenever the configuration, a weight or a tokenizer does."""
    digest = hashlib.blake2b(json.dumps(config.to_dict(), sort_keys=True).encode(), digest_size=6)
    tokenizers = [path for name in (LANGUAGE_TOKENIZER, QUESTION_TOKENIZER) for path in (folder / name).glob("*")]
    for path in sorted(tokenizers) + weight_files(folder):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                yield name, file.get_tensor(name)


def _assign(model: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    parameter = model.get_parameter(name)
    setattr(model.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=parameter.requires_grad))
