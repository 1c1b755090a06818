"""Model folders: config.json, safetensors and two tokenizers; imports neither torch nor transformers."""

import hashlib
import json
from pathlib import Path

from favor.errors import FavorError
from favor.io.checksums import recorded, sha256
from favor.models.favor.config import FavorConfig
from favor.models.favor.presets import PRESETS

CONFIG = "config.json"
LANGUAGE_TOKENIZER = "language_tokenizer"
QUESTION_TOKENIZER = "question_tokenizer"
PACKAGED = Path(__file__).parents[2] / "weights"


def find_folder(name_or_folder: str | Path) -> Path:
    """Finds the folder of a packaged model, or checks one of the user's.

    Raises:
        FavorError: if there is no such folder, or it is not a model folder.
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
        FavorError: if it is not JSON or does not describe a possible model.
    """
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:  # not UTF-8, or not JSON
        raise FavorError(f"{folder / CONFIG} is not JSON: {error}; write it again") from error
    return FavorConfig.from_dict(values)


def write_config(config: FavorConfig, folder: Path) -> None:
    """Writes the configuration into a folder, creating it if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")


def weight_files(folder: Path) -> list[Path]:
    """Lists the safetensors of a model folder, sorted by name."""
    return sorted(folder.glob("*.safetensors"))


def revision(config: FavorConfig, folder: Path) -> str:
    """Returns twelve hexadecimal digits that change whenever the configuration, a weight or a tokenizer does."""
    digest = hashlib.blake2b(json.dumps(config.to_dict(), sort_keys=True).encode(), digest_size=6)
    tokenizers = [path for name in (LANGUAGE_TOKENIZER, QUESTION_TOKENIZER) for path in (folder / name).glob("*")]
    for path in sorted(tokenizers) + weight_files(folder):
        digest.update((recorded(folder, path) or sha256(path)).encode())
    return digest.hexdigest()
