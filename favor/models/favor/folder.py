"""Model folders: config.json, safetensors and two tokenizers."""

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from torch import nn
from transformers import AutoTokenizer
from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerEmbeddings
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from favor.errors import FavorError
from favor.io.checksums import CHECKSUMS_FILE, recorded, sha256
from favor.models.favor.config import FavorConfig
from favor.models.favor.language import Prompter
from favor.models.favor.presets import PRESETS

CONFIG = "config.json"
LANGUAGE_TOKENIZER = "language_tokenizer"
QUESTION_TOKENIZER = "question_tokenizer"
PACKAGED = Path(__file__).parents[2] / "weights"


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


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a model folder, in the order of their names."""
    return sorted(folder.glob("*.safetensors"))


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
        digest.update((recorded(folder, path) or sha256(path)).encode())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """A model before it is loaded.

    Attributes:
        name: a preset's name, or the absolute path of a model folder.
        revision: changes when the configuration, a weight or a tokenizer does.
        config: the sizes.
    """

    name: str
    revision: str
    config: FavorConfig

    @property
    def trained(self) -> bool:
        """Whether the weights were trained; the text of random ones means nothing."""
        return self.config.seed is None


def describe(name_or_folder: str) -> ModelCard:
    """Tells what a model is.

    Raises:
        FavorError: if there is no such model, or the folder is no complete model.
    """
    folder = find_folder(name_or_folder)
    config = read_config(folder)
    name = name_or_folder if name_or_folder in PRESETS else str(Path(folder).resolve())
    return ModelCard(name, revision(config, folder), config)
