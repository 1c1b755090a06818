"""The schema version of an output, and which versions can be read."""

from collections.abc import Mapping
from typing import Any

from favor.errors import FavorError

# Incremented whenever a column or a setting is added, which is then missing in older outputs and read as null. Columns
# are never renamed or given another meaning, so that every older output can be read.
SCHEMA_VERSION = 3


def check_schema(made: Mapping[str, Any], output: str) -> None:
    """Checks that this version can read an output.

    Args:
        made: the content of its ``run.json``.
        output: location of the output, for the error message.

    Raises:
        FavorError: if a newer version has written the output.
    """
    version = made.get("schema", 1)
    if not isinstance(version, int) or not isinstance(made.get("tables", {}), dict):
        raise FavorError(f"{output} has a run.json that no run has written; restore it, or choose another --output")
    if version > SCHEMA_VERSION:
        raise FavorError(
            f"{output} holds tables of schema {version}, and this version of favor knows schemas up to "
            f"{SCHEMA_VERSION}. Install a newer favor, or choose another --output"
        )
