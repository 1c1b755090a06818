"""Comparing two runs: which answers differ, which failures are new or resolved, and how fast the runs were."""

import collections
import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from favor.errors import FavorError
from favor.evaluation.metrics import WordErrors, word_errors
from pipeline.output.reader import OutputReader, differences, open_output
from pipeline.output.tables import LATER_ATTEMPT, TABLES
from transforms.rows import RESOLVED

JOIN_MEMORY = "256MB"  # beyond it, the join spills to disk
ROWS_AT_ONCE = 4096
EXAMPLES_PER_TABLE = 3
KEY = ("uri", "entry_id", "start_ms", "end_ms", "question_id")
EQUAL, CHANGED, ONLY_A, ONLY_B = "equal", "changed", "only in A", "only in B"
TYPES = {"start_ms": pa.int64(), "end_ms": pa.int64()}
COMPARED = {*KEY, "text", "created_at"}  # the columns that a table of texts has
COLUMNS = ("table", *KEY, "text_a", "text_b", "what")
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in COLUMNS])  # of the rows that differ
# A file that has changed leaves several rows of one window and question, of which the latest counts.
JOIN = """
    WITH a AS (SELECT {rows}, arg_max(text, created_at) AS text FROM a_{table} GROUP BY ALL),
         b AS (SELECT {rows}, arg_max(text, created_at) AS text FROM b_{table} GROUP BY ALL)
    SELECT '{table}' AS "table", {key}, a.text AS text_a, b.text AS text_b,
           CASE WHEN a.text IS NULL THEN 'only in B' WHEN b.text IS NULL THEN 'only in A'
                WHEN a.text = b.text THEN 'equal' ELSE 'changed' END AS what
    FROM a FULL JOIN b USING ({key}) ORDER BY {key}
"""
# A failure of a whole file has no span, and most files have no entry id; in a join, NULL would equal nothing.
SPAN = "uri, coalesce(entry_id, '') AS entry_id, coalesce(start_ms, -1) AS start_ms, coalesce(end_ms, -1) AS end_ms"
FAILED = """
    SELECT a.uri IS NOT NULL AS before, b.uri IS NOT NULL AS now, readable.uri IS NOT NULL AS readable, count(*)
    FROM (SELECT {span} FROM a_failures GROUP BY ALL HAVING arg_max(code, {attempt}) <> '{resolved}') AS a
    FULL JOIN (SELECT {span} FROM b_failures GROUP BY ALL HAVING arg_max(code, {attempt}) <> '{resolved}') AS b
    USING (uri, entry_id, start_ms, end_ms)
    LEFT JOIN (SELECT DISTINCT uri FROM b_media) AS readable ON readable.uri = a.uri
    GROUP BY ALL
"""


@dataclasses.dataclass
class TableDiff:
    """The comparison of one table of two runs, joined on window and question.

    Attributes:
        equal: number of rows with exactly the same text.
        changed: number of rows with different texts.
        only_a: number of rows that are missing in B.
        only_b: number of rows that are missing in A.
        words: word errors of B against A, over the rows in both.
        examples: the first rows that differ.
    """

    equal: int = 0
    changed: int = 0
    only_a: int = 0
    only_b: int = 0
    words: WordErrors = dataclasses.field(default_factory=WordErrors)
    examples: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def different(self) -> int:
        """The number of rows that differ."""
        return self.changed + self.only_a + self.only_b

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as JSON values."""
        words = {"words": self.words.words, "word_errors": self.words.errors, "word_error_rate": self.words.rate}
        return {**dataclasses.asdict(self), **words}

    def __str__(self) -> str:
        rate = "" if self.words.rate is None else f"; word error rate of B against A {self.words.rate:.2%}"
        only = f"{self.only_a} {ONLY_A}, {self.only_b} {ONLY_B}"
        return f"{self.equal} equal, {self.changed} {CHANGED}, {only}{rate}"


@dataclasses.dataclass(frozen=True)
class RunDiff:
    """The comparison of two runs.

    Attributes:
        outputs: the directories of A and B.
        settings: by table, the settings that differ, with the values in A and B; None where one does not have it.
        tables: the comparison of each table, by name.
        failures: number of failures that are ``new`` in B, ``mended``, the ``same``, or of what B did not see.
        times_real_time: the speed of A and B, or None if the last run into the output processed nothing.
    """

    outputs: tuple[str, str]
    settings: dict[str, dict[str, tuple[Any, Any]]]
    tables: dict[str, TableDiff]
    failures: dict[str, int]
    times_real_time: tuple[float | None, float | None]

    @property
    def different(self) -> bool:
        """Whether any result or failure differs."""
        changed_failures = sum(count for name, count in self.failures.items() if name != "same")
        return bool(changed_failures or sum(table.different for table in self.tables.values()))

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as JSON values."""
        return {**dataclasses.asdict(self), "tables": {name: table.to_dict() for name, table in self.tables.items()}}

    def __str__(self) -> str:
        lines = list(zip("AB", self.outputs, strict=True))
        for name, table in self.tables.items():
            lines.append((name, str(table)))
            settings = self.settings.get(name, {})
            lines += [("", f"{setting}: {_sides(*pair)}") for setting, pair in settings.items()]
        lines.append(("failures", ", ".join(f"{count} {name}" for name, count in self.failures.items())))
        before, after = self.times_real_time
        if before and after:
            speed = f"{before:.1f} and {after:.1f} seconds of video per second: {after / before:.2f} times"
            lines.append(("speed", speed))
        facts = [f"{name:10} {text}" for name, text in lines]
        return "\n".join([*facts, *(_shown(row) for table in self.tables.values() for row in table.examples)])


def compare(a: str, b: str, take: Callable[[pa.Table], None] = lambda rows: None) -> RunDiff:
    """Compares the tables of two runs; memory does not grow with the rows.

    Texts are compared exactly; the word error rate ignores case, punctuation and spaces.

    Args:
        a: the output of a run, the reference.
        b: the output of another run.
        take: called with the rows that differ, in order, with the columns of ``SCHEMA``.

    Raises:
        FavorError: if one of them is not the output of a run, or neither holds tables of texts.
        OSError: if one cannot be read.
    """
    outputs = {"a": open_output(a), "b": open_output(b)}
    tables = _comparable(outputs)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{JOIN_MEMORY}'; SET temp_directory = '{spill}'; SET threads = 2")
        for side, output in outputs.items():
            for name in TABLES:
                database.register(f"{side}_{name}", output.table(name))
        return RunDiff(
            outputs=(a, b),
            settings=_differing_settings(outputs["a"], outputs["b"], tables),
            tables={name: _compare_table(database, name, take) for name in tables},
            failures=_compare_failures(database),
            times_real_time=(_speed(outputs["a"]), _speed(outputs["b"])),
        )


def _comparable(outputs: Mapping[str, OutputReader]) -> list[str]:
    """Returns the names of the tables of texts that any of the outputs holds.

    Raises:
        FavorError: if there are none.
    """
    held = {name for output in outputs.values() for name in output.tables()}
    found = [name for name, table in TABLES.items() if name in held and set(table.schema.names) >= COMPARED]
    if not found:
        where = " and ".join(output.storage.root for output in outputs.values())
        raise FavorError(f"{where} hold no captions, answers or transcripts yet")
    return found


def _differing_settings(
    a: OutputReader, b: OutputReader, tables: Iterable[str]
) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Returns the settings that differ, for the tables that are in both outputs."""
    both = [name for name in tables if name in a.settings and name in b.settings]
    found = {
        table: {name: (old, new) for name, old, new in differences(a.settings[table], b.settings[table])}
        for table in both
    }
    return {table: settings for table, settings in found.items() if settings}


def _compare_table(database: duckdb.DuckDBPyConnection, table: str, take: Callable[[pa.Table], None]) -> TableDiff:
    diff = TableDiff()
    rows = ", ".join("coalesce(entry_id, '') AS entry_id" if name == "entry_id" else name for name in KEY)
    statement = JOIN.format(table=table, key=", ".join(KEY), rows=rows)
    for batch in database.sql(statement).to_arrow_reader(ROWS_AT_ONCE):
        rows = pa.Table.from_batches([batch])
        both = rows.filter(pc.and_(pc.is_valid(rows["text_a"]), pc.is_valid(rows["text_b"])))
        diff.words += word_errors(both["text_a"].to_pylist(), both["text_b"].to_pylist())
        kinds = collections.Counter(rows["what"].to_pylist())
        diff.equal, diff.changed = diff.equal + kinds[EQUAL], diff.changed + kinds[CHANGED]
        diff.only_a, diff.only_b = diff.only_a + kinds[ONLY_A], diff.only_b + kinds[ONLY_B]
        different = rows.filter(pc.not_equal(rows["what"], EQUAL)).cast(SCHEMA)
        diff.examples += different.slice(0, EXAMPLES_PER_TABLE - len(diff.examples)).to_pylist()
        if different.num_rows:
            take(different)
    return diff


def _compare_failures(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    counts = dict.fromkeys(("new", "mended", "same", "not seen by B"), 0)
    statement = FAILED.format(span=SPAN, attempt=LATER_ATTEMPT, resolved=RESOLVED)
    for before, now, readable, count in database.sql(statement).fetchall():
        name = "same" if before and now else "new" if now else "mended" if readable else "not seen by B"
        counts[name] += count
    return counts


def _speed(output: OutputReader) -> float | None:
    report = output.report() or {}
    return report["times_real_time"] if report.get("windows", {}).get("succeeded") else None


def _sides(before: Any, after: Any) -> str:
    """Formats the values of a setting in A and B; it may be missing in one, as schemas differ in their settings."""
    if before is None or after is None:
        return f"{before} in A only" if after is None else f"{after} in B only"
    return f"{before} in A, {after} in B"


def _shown(row: dict[str, Any]) -> str:
    where = f"{row['uri']} {row['start_ms']}-{row['end_ms']} ms, {row['question_id']}: {row['what']}"
    return "\n".join(
        [where, *(f"  {side}: {row[f'text_{side.lower()}']}" for side in "AB" if row[f"text_{side.lower()}"])]
    )
