"""Finding, checking and opening the files of a release."""

import dataclasses
import fnmatch
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, HTTPError

from favor.errors import FavorError
from favor.importing.names import canonical
from favor.importing.origins import Blip
from favor.importing.releases import SourceKind, check_source, split_hub_name
from favor.importing.tensor_files import TensorFile, TensorSource, check_zip, load_pickle
from favor.importing.tokenizers import TOKENIZER_MODEL, VOCABULARY
from favor.importing.writing import ByteProgress
from favor.io.checksums import sha256
from favor.models.favor.folder import CONFIG

WEIGHT_FILES = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")
FOLDERS = ("whisper", "llm", "bert")


@dataclasses.dataclass(frozen=True)
class Opened:
    """An opened release.

    Attributes:
        tensors: the weights, by option name.
        configs: the configurations in the hub folders and in BEATs' file, by option name.
        blip: the form of InstructBLIP's release.
    """

    tensors: dict[str, TensorSource]
    configs: dict[str, dict[str, Any]]
    blip: Blip


def used_files(option: str, path: Path) -> list[Path]:
    """Lists the files of a source that are used.

    Raises:
        FavorError: if a file is missing, or a folder was given for a file or a file for a folder.
    """
    if path.is_file():
        if option in FOLDERS:
            raise FavorError(f"--{option}: {path} is a file; give the folder that contains it")
        return [path]
    if option == "bert":
        return [_existing(path / VOCABULARY)]
    if option not in (*FOLDERS, "instructblip"):
        raise FavorError(f"--{option}: {path} is a folder; give the file in it")
    files = [_existing(path / CONFIG), *_weights(path)]
    return [*files, _existing(path / TOKENIZER_MODEL)] if option == "llm" else files


def describe_files(
    given: Mapping[str, str], files: Mapping[str, list[Path]], progress: ByteProgress
) -> list[dict[str, Any]]:
    """Reads all files once, which detects damaged ones, and describes them.

    Args:
        given: the user's value for each option.
        files: the files that are used for each option.
        progress: receives the number of bytes read.

    Returns:
        The option, the user's value, the name, the size in bytes and the SHA-256 of each file.

    Raises:
        FavorError: if the content of a file does not match its own checksums.
    """
    progress.start("checking", sum(path.stat().st_size for paths in files.values() for path in paths))
    described = []
    for option, paths in files.items():
        for path in paths:
            check_zip(path)
            digest = sha256(path, progress.advance)
            size = path.stat().st_size
            described.append(
                {"source": option, "given": given[option], "file": path.name, "bytes": size, "sha256": digest}
            )
    return described


def open_release(paths: Mapping[str, Path], files: Mapping[str, list[Path]]) -> Opened:
    """Opens the weights and configurations of a release.

    Args:
        paths: the file or folder for each option.
        files: the files that are used for each option.

    Raises:
        FavorError: if a file is damaged or of another kind.
    """
    tensors, configs = {}, {}
    for option, path in paths.items():
        weights = [file for file in files[option] if file.suffix not in (".json", ".model", ".txt")]
        if weights:
            tensors[option] = TensorSource(path, map(TensorFile, weights), _RENAMES.get(option, str))
        if path / CONFIG in files[option]:
            configs[option] = _read_json(path / CONFIG)
    if "beats" in paths:
        configs["beats"] = _beats_config(paths["beats"])
    return Opened(tensors, configs, "hub" if "instructblip" in configs else "lavis")


def _whisper_key(key: str) -> str:
    return key.removeprefix("model.")


_RENAMES = {"delta": canonical, "whisper": _whisper_key}


def _weights(folder: Path) -> list[Path]:
    for pattern in WEIGHT_FILES:
        if found := sorted(folder.glob(pattern)):
            return found
    raise FavorError(f"{folder} holds no weights (no model.safetensors or pytorch_model.bin); is it the right folder?")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FavorError(f"{path.parent} lacks {path.name}; is it the right folder?")
    return path


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FavorError(f"{path} is not JSON: {error}; download it again") from error
    if not isinstance(values, dict):
        raise FavorError(f"{path} holds no JSON object; download it again")
    return values


def _beats_config(path: Path) -> dict[str, Any]:
    loaded = load_pickle(path)
    if not isinstance(loaded, Mapping) or not isinstance(loaded.get("cfg"), Mapping):
        raise FavorError(f"{path} lacks cfg, BEATs' sizes; is it the right file?")
    return dict(loaded["cfg"])


HUB_ERRORS = (EntryNotFoundError, HFValidationError, HTTPError, OSError)


def fetch(given: str, kind: SourceKind, option: str, downloads: Path) -> Path:
    """Finds a source on this machine, or downloads it.

    Args:
        given: a path, an fsspec URL, ``owner/repository`` or ``owner/repository/file`` on the hub.
        kind: the kind of source.
        option: the option's name, for error messages.
        downloads: the folder for files downloaded from URLs.

    Returns:
        The path of a file or folder.

    Raises:
        FavorError: if it is not found or cannot be downloaded.
    """
    path = Path(given).expanduser()
    if path.exists():
        return path
    if "://" in given:
        return _copy(given, kind, option, downloads / option)
    check_source(given, kind, option)
    try:
        return _from_hub(*split_hub_name(given), kind)
    except HUB_ERRORS as error:
        reason = " ".join(str(error).split())
        raise FavorError(
            f"--{option}: there is no file or folder {given}, and the hub cannot provide it: {reason}"
        ) from error


def _from_hub(repository: str, file: str, kind: SourceKind) -> Path:
    if file := file or kind.file or "":
        return Path(hf_hub_download(repository, file))
    patterns = [pattern for pattern in kind.patterns if not pattern.endswith((".bin", ".bin.index.json"))]
    folder = Path(snapshot_download(repository, allow_patterns=patterns))
    if len(patterns) < len(kind.patterns) and not any(folder.glob("*.safetensors")):
        folder = Path(snapshot_download(repository, allow_patterns=list(kind.patterns)))
    return folder


def _copy(url: str, kind: SourceKind, option: str, target: Path) -> Path:
    try:
        filesystem, path = fsspec.url_to_fs(url)
        target.mkdir(parents=True)
        if not filesystem.isdir(path):
            local = target / PurePosixPath(path).name
            filesystem.get_file(path, str(local))
            return local
        for remote in filesystem.ls(path, detail=False):
            name = PurePosixPath(remote).name
            if any(fnmatch.fnmatch(name, pattern) for pattern in kind.patterns):
                filesystem.get_file(remote, str(target / name))
    except (ImportError, OSError, ValueError) as error:
        raise FavorError(f"--{option}: {url} cannot be read: {error}") from error
    return target
