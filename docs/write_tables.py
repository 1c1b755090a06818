"""Writes docs/tables.md: every column of every table, every code of failures, schema versions and exit codes.

Run it as ``python docs/write_tables.py`` after a change of any of them; a test says when the page is out of date.
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

What a run leaves in its output directory: tables of results, as far as they were asked for, and `media` and `failures`
always. Each is a directory of Parquet files, and of JSON lines in `jsonl/` where `--format jsonl` was given.
`journal/` has the same rows as they came; later runs read it to find out what is done.

Behind the columns that are named here stand those of the manifests, in every table, with the types that they have
there: text, whole number, number or boolean. All of them may be null.

This page is written by `docs/write_tables.py` from the code itself.
"""
VERSIONS = f"""\
## Schema versions

Tables and `run.json` have schema {SCHEMA_VERSION}; each Parquet file says so in its metadata, `favor.schema`, beside
the whole configuration (`favor`) and the versions of the packages (`favor.versions`). Columns are added, never renamed
nor given another meaning.

| schema | what is different |
| --- | --- |
| 1 | There are no `frames` in the tables of results, and no `created_at` in `failures`. |
| 2 | All tables of an output are made by one model with one set of settings, which `run.json` itself holds. |
| 3 | `run.json` has settings for each table, and the ids of windows do not depend on the model. |

`favor status` and `favor diff` read all of them. A run goes on only in an output of its own schema.
"""


def page() -> str:
    """Returns the whole page."""
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
    """Returns the columns that rows are sorted by, without what decides between equal ones."""
    return [name for name in table.order if name.isidentifier() and name != "created_at"]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _codes() -> str:
    codes = [(f"`{kind.code}`", ", ".join(kind.stages), kind.meaning) for kind in FAILURE_CODES.values()]
    rows = "\n".join(_rows(("code", "stage", "meaning"), codes))
    return f"## Codes of failures\n\nThe column `code` of `failures`, and the stages in which each arises.\n\n{rows}\n"


def _exit_codes() -> str:
    commands, comparison = ("\n".join(_statuses(codes)) for codes in (ExitCode, ComparisonExitCode))
    return f"""\
## Exit codes

{commands}

`favor diff --exit-code` ends as the tool diff does:

{comparison}
"""


def _statuses(codes: type[enum.IntEnum]) -> Iterator[str]:
    meanings = attribute_docs(codes)
    rows = [(str(code.value), _sentence(meanings[code.name]).replace("``", "`")) for code in codes]
    return _rows(("status", "meaning"), rows)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yields the lines of a table in Markdown."""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
