"""Listing the media files that corpus patterns (files, directories and globs, on any filesystem) match."""

import dataclasses
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from favor.errors import MediaError
from favor.io.stores import file_info, find_store
from favor.media.corpus.files import MediaFile, NamedFile

MEDIA_SUFFIXES = frozenset(
    suffix
    for kind in (
        # video, audio, images
        ".3g2 .3gp .asf .avi .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .rm .ts .vob .webm .wmv",
        ".aac .ac3 .aif .aiff .amr .caf .flac .m4a .mka .mp2 .mp3 .oga .ogg .opus .wav .wma",
        ".avif .bmp .gif .jpeg .jpg .png .tif .tiff .webp",
    )
    for suffix in kind.split()
)
# The names that filesystems give to a file's version, the most reliable first.
VERSION_KEYS = ("etag", "ETag", "generation", "mtime", "LastModified", "last_modified", "updated", "created")
HTTP = ("http://", "https://")
NO_LISTING = "http servers do not list directories: name the files in a manifest (.jsonl, .csv or .parquet)"
GLOB_CHARACTERS = "*?["


@dataclasses.dataclass(frozen=True)
class Unlisted:
    """A name in the corpus with no media file, and the reason."""

    uri: str
    error: OSError | MediaError


def absolute_uri(path: str) -> str:
    """Returns the URI that identifies a file in tables: local paths become absolute, URLs are unchanged."""
    return path if "://" in path and not path.startswith("file://") else str(LocalFileSystem._strip_protocol(path))


def list_media(pattern: str) -> Iterator[MediaFile | Unlisted]:
    """Lists the media files that match a pattern, without holding the list in memory.

    A file that the pattern names or matches is listed whatever its suffix; directories are searched, at any depth, for
    files with the suffixes in ``MEDIA_SUFFIXES``.

    Args:
        pattern: a file, a directory or a glob; a local path or any fsspec URL.

    Yields:
        Media files, and an ``Unlisted`` for a directory that cannot be read, has no media files, or is named like one.

    Raises:
        FileNotFoundError: if nothing has this name or matches this glob.
        MediaError: ``no_listing`` for a directory on an http server, ``unsupported_store``.
        OSError: if the store cannot be reached.
    """
    matches = list(_match(pattern))
    if not matches:
        hint = f"; {NO_LISTING}" if pattern.startswith(HTTP) else ""
        raise FileNotFoundError(f"{pattern}: no such file or directory, or nothing matches{hint}")
    for fs, info, chain in matches:
        yield from _expand(fs, info, chain)


def look_up(named: NamedFile) -> MediaFile:
    """Finds a file named in a manifest.

    Raises:
        MediaError: ``directory`` if it is a directory, ``unsupported_store``.
        FileNotFoundError: if it does not exist.
        OSError: if the store cannot be reached.
    """
    fs, path = find_store(named.uri)
    info = file_info(fs, path)
    if info["type"] == "directory":
        raise MediaError("directory", f"{named.uri} is a directory; a row of a manifest names one file")
    return dataclasses.replace(_media_file(fs, info, ""), uri=named.uri, entry=named.entry)


def _match(pattern: str) -> Iterator[tuple[fsspec.AbstractFileSystem, dict[str, Any], str]]:
    """Yields the direct matches of a pattern: the filesystem, its entry, and the rest of a chained URL."""
    fs, path = find_store(pattern)
    chain = "::" + pattern.split("::", 1)[1] if "::" in pattern else ""
    try:
        yield fs, file_info(fs, path), chain  # a file's name may contain brackets, so try it before globbing
    except FileNotFoundError:
        if not any(character in path for character in GLOB_CHARACTERS):
            return
        for _, info in sorted(fs.glob(path, detail=True).items()):
            yield fs, info, chain


def _expand(fs: fsspec.AbstractFileSystem, info: dict[str, Any], chain: str) -> Iterator[MediaFile | Unlisted]:
    if info.get("mimetype") == "text/html" and info["name"].startswith(HTTP):
        raise MediaError("no_listing", f"{info['name']} is a page, not a media file; {NO_LISTING}")
    if info["type"] != "directory":
        yield _media_file(fs, info, chain)
        return
    found = False
    for item in _search(fs, info["name"], chain):
        found = True
        yield item
    if not found:
        uri = _uri(fs, info["name"], chain)
        yield Unlisted(uri, MediaError("no_media", f"{uri} is a directory that holds no media files"))


def _search(fs: fsspec.AbstractFileSystem, root: str, chain: str) -> Iterator[MediaFile | Unlisted]:
    """Walks a directory; directories that are unreadable or named like a media file are reported as ``Unlisted``."""
    unreadable: list[OSError] = []
    for parent, directories, files in fs.walk(root, detail=True, on_error=unreadable.append):
        for error in unreadable:
            yield Unlisted(_uri(fs, str(error.filename or parent), chain), error)
        unreadable.clear()
        in_order = sorted(directories.items())
        directories.clear()
        directories.update(in_order)  # so that every worker walks them in the same order
        for name, info in in_order:
            if _has_media_suffix(name):
                uri = _uri(fs, info["name"], chain)
                yield Unlisted(uri, MediaError("directory", f"{uri} is a directory with a media file's name"))
        for name, info in sorted(files.items()):
            if _has_media_suffix(name):
                yield _media_file(fs, info, chain)
    for error in unreadable:
        yield Unlisted(_uri(fs, str(error.filename or root), chain), error)


def _has_media_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in MEDIA_SUFFIXES


def _media_file(fs: fsspec.AbstractFileSystem, info: dict[str, Any], chain: str) -> MediaFile:
    version = next((str(info[key]) for key in VERSION_KEYS if info.get(key) is not None), "")
    return MediaFile(_uri(fs, info["name"], chain), int(info.get("size") or 0), version)


def _uri(fs: fsspec.AbstractFileSystem, path: str, chain: str) -> str:
    return path if isinstance(fs, LocalFileSystem) else fs.unstrip_protocol(path) + chain
