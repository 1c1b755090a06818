"""The version of an output's layout, and which versions can be read."""

from collections.abc import Mapping
from typing import Any

from favor.errors import FavorError

# Grows whenever a column or a setting is added, which older outputs then lack and have nothing in. Columns are neither
# renamed nor given another meaning, so that every older output can be read.
SCHEMA_VERSION = 3


def check_schema(made: Mapping[str, Any], output: str) -> None:
    """Makes sure that this version can read an output.

    Args:
        made: the content of its ``run.json``.
        output: where it is.

    Raises:
        FavorError: if a newer version has written it.
    """
    version = made.get("schema", 1)
    if version > SCHEMA_VERSION:
        raise FavorError(
            f"{output} holds tables of schema {version}, and this version of favor knows schemas up to "
            f"{SCHEMA_VERSION}. Install a newer favor, or choose another --output"
        )
