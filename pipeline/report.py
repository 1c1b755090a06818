"""What a run has done, in figures that must add up."""

import dataclasses
import importlib.metadata
import json

from pipeline.options import RunOptions
from pipeline.progress import Counts, times_real_time

UNTRAINED = "untrained: its text means nothing"
PACKAGES = ("favor-on-beam", "apache-beam", "torch", "transformers", "av", "pyarrow")


def table_metadata(options: RunOptions) -> dict[str, str]:
    """Returns what every file of the output says of itself: the configuration and the packages' versions."""
    metadata = {
        "favor": options.to_json(),
        "favor.versions": json.dumps({name: importlib.metadata.version(name) for name in PACKAGES}),
        "favor.trained": str(options.trained).lower(),
    }
    return metadata if options.trained else {**metadata, "favor.note": f"{options.identity.model} is {UNTRAINED}"}


@dataclasses.dataclass(frozen=True)
class Summary:
    """The end of a run.

    Attributes:
        options: what was to be done.
        counts: what was counted on the way.
        rows: rows in each table, those of earlier runs included.
        seconds: how long it took.
    """

    options: RunOptions
    counts: Counts
    rows: dict[str, int]
    seconds: float

    def count(self, name: str) -> int:
        """Returns one count."""
        return self.counts.get(name, 0)

    @property
    def files(self) -> int:
        """Files and names in the corpus, readable or not."""
        return self.count("files_readable") + self.count("files_failed")

    @property
    def missing(self) -> int:
        """Windows that had no end at all: 0, or rows were lost."""
        ends = (self.count(f"windows_{end}") for end in ("succeeded", "failed", "skipped"))
        return self.count("windows_planned") - sum(ends)

    def __str__(self) -> str:
        tables = " ".join(f"{table}/ ({rows})" for table, rows in self.rows.items())
        table = next(table for table in self.rows if table in self.options.tables)
        where = f"{self.options.output}/{table}"
        return "\n".join(
            [
                f"files      {self.files}: {self.count('files_readable')} readable, "
                f"{self.count('files_failed')} failed",
                f"windows    {self.count('windows_planned')}: {self.count('windows_succeeded')} succeeded, "
                f"{self.count('windows_failed')} failed, {self.count('windows_skipped')} skipped (done before)",
                f"speed      {times_real_time(self.counts, self.seconds):.1f} seconds of video per second, "
                f"{self.seconds:.1f} s in all",
                f"rows       {self.options.output}/: {tables}",
                f"pandas     pandas.read_parquet({where!r})",
                f"DuckDB     SELECT * FROM {where + '/*.parquet'!r}",
            ]
        )
