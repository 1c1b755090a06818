"""A source is a path, an fsspec URL or an id of the hub; here it becomes a path."""

import fnmatch
import re
from pathlib import Path, PurePosixPath

import fsspec
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, HTTPError

from favor.errors import FavorError
from favor.importing.recipes import SourceKind

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WEIGHT_SUFFIXES = (".bin", ".pt", ".pth", ".safetensors")
HUB_ERRORS = (EntryNotFoundError, HFValidationError, HTTPError, OSError)


def fetch(given: str, kind: SourceKind, option: str, downloads: Path) -> Path:
    """Finds a source on this machine, or brings it there.

    Args:
        given: a path, an fsspec URL, ``owner/repository`` or ``owner/repository/file`` on the hub.
        kind: what it is.
        option: the name it goes by, for messages.
        downloads: where what a URL names is put.

    Returns:
        A file or a folder.

    Raises:
        FavorError: if it is nowhere.
    """
    path = Path(given).expanduser()
    if path.exists():
        return path
    if "://" in given:
        return _copy(given, kind, option, downloads / option)
    owner, _, rest = given.partition("/")
    name, _, file = rest.partition("/")
    repository = f"{owner}/{name}" if name else owner
    if not HUB_ID.fullmatch(repository) or (not file and given.endswith(WEIGHT_SUFFIXES)):
        raise FavorError(f"--{option}: there is no file or folder {given}")
    if not (file or kind.file or kind.patterns):
        raise FavorError(f"--{option}: there is no file {given}; of the hub give OWNER/REPOSITORY/FILE")
    try:
        return _from_hub(repository, file, kind)
    except HUB_ERRORS as error:
        reason = " ".join(str(error).split())
        raise FavorError(
            f"--{option}: there is no file or folder {given}, and the hub does not give it either: {reason}"
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
