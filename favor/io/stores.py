"""Finding the store that a URI is in, and what stores raise that is no OSError."""

import sys
from typing import Any

import fsspec

from favor.errors import MediaError

# Only what is installed and in use can raise anything; nothing is imported for it here.
ERRORS = {
    "aiohttp": ("ClientError",),
    "azure.core.exceptions": ("AzureError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "gcsfs.retry": ("HttpError", "ChecksumError"),
    "google.api_core.exceptions": ("GoogleAPIError",),
    "google.auth.exceptions": ("GoogleAuthError",),
}


def find_store(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Returns the filesystem that a URI is in, and the path there.

    Raises:
        MediaError: ``unsupported_store`` if fsspec does not know it, or lacks a package for it.
    """
    try:
        return fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise MediaError("unsupported_store", f"{uri}: {error}") from error


def file_info(store: fsspec.AbstractFileSystem, path: str) -> dict[str, Any]:
    """Returns what a store says of a file or directory.

    Raises:
        FileNotFoundError: if there is none. fsspec says so of servers that do not answer, too; here they raise what
            is really the matter, one of `store_errors`.
    """
    try:
        return store.info(path)
    except FileNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, store_errors()) and getattr(cause, "status", None) != 404:
            raise cause from error
        raise


def store_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Returns the errors of stores that cannot be reached or do not let us in, and others that are caught with them."""
    loaded: list[tuple[Any, tuple[str, ...]]] = [
        (sys.modules[module], names) for module, names in ERRORS.items() if module in sys.modules
    ]
    known = (getattr(module, name) for module, names in loaded for name in names if hasattr(module, name))
    return (OSError, *others, *known)
