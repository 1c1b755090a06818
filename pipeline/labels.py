"""The columns that a run's rows carry from its manifests, decided once for all tables."""

import urllib.parse
from collections.abc import Iterable, Mapping

from favor.errors import FavorError
from favor.media.manifests import is_manifest, read_head
from favor.media.stores import store_errors
from pipeline.schema import SCHEMAS

OWN_COLUMNS = frozenset(name for schema in SCHEMAS.values() for name in schema.names)


def corpus_labels(corpus: Iterable[str]) -> tuple[dict[str, str], bool]:
    """Reads the first rows of a corpus's manifests.

    Args:
        corpus: files, directories, globs and manifests.

    Returns:
        The types of the labels by name; and whether the corpus is so long that it must be streamed.

    Raises:
        FavorError: if a manifest is wrong, cannot be read, or names a column of ours.
    """
    kinds: dict[str, str] = {}
    streamed = False
    for path in filter(is_manifest, corpus):
        try:
            head = read_head(path)
        except store_errors() as error:
            raise FavorError(f"cannot read the manifest {path}: {error.__cause__ or error}") from error
        for name in head.kinds:
            if name.lower() in OWN_COLUMNS:  # DuckDB does not tell small letters from capitals
                raise FavorError(f"{path}: the tables have a column {name.lower()!r} of their own; rename it")
        kinds = united(kinds, head.kinds, path)
        streamed = streamed or not head.whole
    return kinds, streamed


def united(kinds: Mapping[str, str], more: Mapping[str, str], where: str) -> dict[str, str]:
    """Joins the labels of two manifests, or of an output and another run.

    Args:
        kinds: the types of some labels by name.
        more: those of others.
        where: who names these others.

    Raises:
        FavorError: if a name has two types.
    """
    for name, kind in more.items():
        if kinds.get(name, kind) != kind:
            raise FavorError(f"{where}: the column {name!r} is {kind}, but {kinds[name]} elsewhere; give it one type")
    return {**kinds, **more}


def check_partition(column: str | None, kinds: Mapping[str, str]) -> None:
    """Makes sure that rows can lie in directories by a column.

    Raises:
        FavorError: if it is no label, or one whose values make no directories.
    """
    if column is None:
        return
    if column not in kinds:
        known = ", ".join(kinds) or "none, since there is no manifest"
        raise FavorError(f"--partition-by {column!r}: a column of a manifest is needed; there are: {known}")
    if kinds[column] == "float" or urllib.parse.quote(column, safe="") != column:
        raise FavorError(
            f"--partition-by {column!r}: needed is a column of text, whole numbers or booleans whose name has only "
            "letters, digits, _ and -"
        )
