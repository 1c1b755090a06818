"""``favor diff``: compares two runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from jobs.command import ComparisonExitCode, FavorCommand

if TYPE_CHECKING:
    import pyarrow as pa


class Trouble(click.ClickException):
    """An error with an exit status that differs from that of a difference."""

    exit_code = ComparisonExitCode.TROUBLE


@click.command("diff", cls=FavorCommand)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("-o", "--output", metavar="FILE", help="Write the rows that differ to FILE, .parquet or .jsonl.")
@click.option("--exit-code", is_flag=True, help="Exit with status 1 if anything differs, and 2 on an error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff_command(a: str, b: str, output: str | None, exit_code: bool, as_json: bool) -> None:
    """Compares the outputs of two runs, A and B, window by window and question by question.

    Prints how many texts are equal, changed, or only in one of them; the word error rate of B against A, which ignores
    case, punctuation and spaces; failures that are new or mended; and the speed of both. A and B are directories, local
    or any fsspec URL. The exit status does not depend on the differences unless --exit-code is given.

    \b
    Examples:
      favor diff out-float32 out-int4
      favor diff yesterday today --output changed.parquet
      favor diff gs://bucket/before gs://bucket/after --exit-code --json
    """
    from favor.errors import FavorError
    from favor.io.stores import store_errors
    from pipeline.reporting.diff import compare

    try:
        with _written(output) as take:
            found = compare(a, b, take)
    except store_errors(FavorError) as error:
        raise (Trouble if exit_code else click.ClickException)(str(error)) from error
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    if exit_code and found.different:
        raise click.exceptions.Exit(ComparisonExitCode.DIFFERENT)


@contextlib.contextmanager
def _written(output: str | None) -> Iterator[Callable[[pa.Table], None]]:
    """Opens the file of the rows that differ, which appears when it is complete."""
    import fsspec
    import pyarrow.parquet as pq

    from pipeline.reporting.diff import SCHEMA

    if output is None:
        yield lambda rows: None
        return
    if not output.endswith((".parquet", ".jsonl")):
        raise click.UsageError(f"--output {output} must end with .parquet or .jsonl")
    filesystem, path = fsspec.core.url_to_fs(output)
    with filesystem.transaction, filesystem.open(path, "wb") as file:
        if output.endswith(".jsonl"):
            yield lambda rows: _write_lines(file, rows)
            return
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            yield writer.write_table


def _write_lines(file: Any, rows: pa.Table) -> None:
    for row in rows.to_pylist():
        file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
