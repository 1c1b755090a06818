"""Finding the store for a URI, and the exceptions that stores raise."""

import sys
from typing import Any

import fsspec

from favor.errors import MediaError

# Exceptions that are not OSErrors. Only modules already loaded can raise any, so nothing is imported for this.
ERRORS = {
    "aiohttp": ("ClientError",),
    "azure.core.exceptions": ("AzureError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "gcsfs.retry": ("HttpError", "ChecksumError"),
    "google.api_core.exceptions": ("GoogleAPIError",),
    "google.auth.exceptions": ("GoogleAuthError",),
}


def find_store(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Returns the filesystem for a URI, and the path in it.

    Raises:
        MediaError: ``unsupported_store`` if fsspec does not support the store or lacks a package for it.
    """
    try:
        return fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise MediaError("unsupported_store", f"{uri}: {error}") from error


def file_info(store: fsspec.AbstractFileSystem, path: str) -> dict[str, Any]:
    """Returns a store's information about a file or directory.

    Raises:
        FileNotFoundError: if it does not exist. fsspec also raises this for servers that do not respond; here those
            raise the underlying error, one of `store_errors`.
    """
    try:
        return store.info(path)
    except FileNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, store_errors()) and getattr(cause, "status", None) != 404:
            raise cause from error
        raise


def store_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Returns the errors of stores that are unreachable or deny access, along with ``others``."""
    loaded: list[tuple[Any, tuple[str, ...]]] = [
        (sys.modules[module], names) for module, names in ERRORS.items() if module in sys.modules
    ]
    known = (getattr(module, name) for module, names in loaded for name in names if hasattr(module, name))
    return (OSError, *others, *known)
