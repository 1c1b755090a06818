"""A model folder's manifest: how the folder was made, and the SHA-256 of every file in it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CHECKSUMS_FILE = "manifest.json"
BLOCK_BYTES = 16_000_000


def sha256(path: Path, progress: Callable[[int], object] = lambda _: None) -> str:
    """Computes the SHA-256 of a file.

    Args:
        path: the file.
        progress: called with the size in bytes of each block read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def write_checksums(folder: Path, facts: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Writes the manifest of a complete folder.

    Args:
        folder: the folder, with all its files written.
        facts: how the folder was made.
        known: the SHA-256 of files that were hashed while being written, by name.
    """
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    described = {
        name: {"bytes": path.stat().st_size, "sha256": known.get(name) or sha256(path)} for name, path in files.items()
    }
    text = json.dumps({**facts, "files": described}, indent=2) + "\n"
    (folder / CHECKSUMS_FILE).write_text(text, encoding="utf-8")


def recorded(folder: Path, path: Path) -> str | None:
    """Looks up the SHA-256 of a file in its folder's manifest, which avoids reading gigabytes.

    Returns:
        None if it is not recorded, or the file's size differs from the record or the file is newer than the manifest.
    """
    manifest = folder / CHECKSUMS_FILE
    if not manifest.is_file():
        return None
    entry = json.loads(manifest.read_text(encoding="utf-8"))["files"].get(str(path.relative_to(folder)))
    stat = path.stat()
    if entry is None or stat.st_size != entry["bytes"] or stat.st_mtime > manifest.stat().st_mtime:
        return None
    return entry["sha256"]
