"""Writes docs/tables.md: every column of every table, all failure codes, schema versions and exit codes.

Run ``python docs/write_tables.py`` after changing any of them; a test fails while the page is out of date.
"""

import enum
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jobs.command import ComparisonExitCode, ExitCode
from pipeline.output.schema import SCHEMA_VERSION
from pipeline.output.tables import TABLES, Table, attribute_docs
from transforms.failures import FAILURE_CODES

PAGE = Path(__file__).with_name("tables.md")
INTRODUCTION = """\
# Tables

A run writes these tables to its output directory: the tables of results that were requested, and always `media` and
`failures`. Each is a directory of Parquet files, or of JSON lines in `jsonl/` with `--format jsonl`. `journal/` holds
the same rows in the order in which they were written; later runs read it to find out what is done.

In every table, the columns listed here are followed by those of the manifests, with the types that they have there:
text, whole number, number or boolean. All of them may be null.

This page is generated from the code by `docs/write_tables.py`.
"""
VERSIONS = f"""\
## Schema versions

Tables and `run.json` have schema {SCHEMA_VERSION}. The metadata of each Parquet file gives it as `favor.schema`, along
with the whole configuration (`favor`) and the package versions (`favor.versions`). Columns are added, but never renamed
or given another meaning.

| schema | difference |
| --- | --- |
| 1 | There are no `frames` in the tables of results, and no `created_at` in `failures`. |
| 2 | All tables of an output are made by one model with one set of settings, stored directly in `run.json`. |
| 3 | `run.json` has settings for each table, and window ids do not depend on the model. |

`favor status` and `favor diff` read all of them. A run continues only in an output of its own schema.
"""


def page() -> str:
    """Returns the content of the page."""
    alike = itertools.groupby(TABLES.values(), lambda table: (table.row_type, table.keys, table.order))
    return "\n".join([INTRODUCTION, *(_tables(list(tables)) for _, tables in alike), _codes(), VERSIONS, _exit_codes()])


def _tables(tables: Sequence[Table]) -> str:
    """Returns the section of tables that have the same columns."""
    first = tables[0]
    title = ", ".join(table.name for table in tables)
    purposes = "\n".join(f"* `{table.name}`: {table.purpose}" for table in tables)
    keys, order = (", ".join(f"`{name}`" for name in names) for names in (first.keys, _order(first)))
    columns = [
        (f"`{column.name}`", str(column.type), "yes" if column.nullable else "no", _sentence(column.meaning))
        for column in first.columns
    ]
    rows = "\n".join(_rows(("column", "type", "null", "meaning"), columns))
    return f"## {title}\n\n{purposes}\n\nOne row for each {keys}; sorted by {order}.\n\n{rows}\n"


def _order(table: Table) -> Iterable[str]:
    """Returns the columns that rows are sorted by, without those that only order duplicates."""
    return [name for name in table.order if name.isidentifier() and name != "created_at"]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _codes() -> str:
    codes = [(f"`{kind.code}`", ", ".join(kind.stages), kind.meaning) for kind in FAILURE_CODES.values()]
    rows = "\n".join(_rows(("code", "stage", "meaning"), codes))
    return f"## Failure codes\n\nThe values of `code` in `failures`, and the stages in which they occur.\n\n{rows}\n"


def _exit_codes() -> str:
    commands, comparison = ("\n".join(_statuses(codes)) for codes in (ExitCode, ComparisonExitCode))
    return f"""\
## Exit codes

{commands}

`favor diff --exit-code` has the exit codes of the tool diff:

{comparison}
"""


def _statuses(codes: type[enum.IntEnum]) -> Iterator[str]:
    meanings = attribute_docs(codes)
    rows = [(str(code.value), _sentence(meanings[code.name]).replace("``", "`")) for code in codes]
    return _rows(("status", "meaning"), rows)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
