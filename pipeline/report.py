"""What a run has done, in figures that must add up."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
from typing import Any

from pipeline.machine import machine_facts
from pipeline.options import RunOptions
from pipeline.progress import Counts, times_real_time
from pipeline.runners import LOCAL_RUNNER
from pipeline.storage import REPORT_FILE, Storage
from pipeline.verdict import seconds, stage_seconds, verdict

UNTRAINED = "untrained: its text means nothing"
WINDOW_COUNTS = ("planned", "succeeded", "failed", "skipped", "failed_before")
PACKAGES = ("favor-on-beam", "apache-beam", "torch", "transformers", "av", "pyarrow")


def table_metadata(options: RunOptions) -> dict[str, str]:
    """Returns what every file of the output says of itself: the configuration and the packages' versions."""
    metadata = {
        "favor": options.to_json(),
        "favor.versions": json.dumps(package_versions()),
        "favor.trained": str(options.trained).lower(),
    }
    return metadata if options.trained else {**metadata, "favor.note": f"{options.identity.model} is {UNTRAINED}"}


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that decide what comes out, and how fast."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@dataclasses.dataclass(frozen=True)
class Summary:
    """The end of a run.

    Attributes:
        options: what was to be done.
        counts: what was counted on the way.
        rows: rows in each table, those of earlier runs included.
        started: when it began, in UTC.
        seconds: how long it took.
        table_seconds: how much of that was building the tables.
    """

    options: RunOptions
    counts: Counts
    rows: dict[str, int]
    started: datetime.datetime
    seconds: float
    table_seconds: float

    def count(self, name: str) -> int:
        """Returns one count."""
        return self.counts.get(name, 0)

    @property
    def files(self) -> int:
        """Files and names in the corpus, readable or not."""
        return sum(self.count(f"files_{end}") for end in ("readable", "failed", "failed_before"))

    @property
    def missing(self) -> int:
        """Windows that had no end at all: 0, or rows were lost."""
        ends = (self.count(f"windows_{end}") for end in ("succeeded", "failed", "skipped"))
        return self.count("windows_planned") - sum(ends)

    @property
    def verdict(self) -> str:
        """What held the run up, in one sentence."""
        cores = os.cpu_count() if self.options.runner == LOCAL_RUNNER else None
        return verdict(self.counts, self.options.batch_size, self.options.workers, cores)

    def report(self) -> dict[str, Any]:
        """Returns everything as JSON can hold it; seconds of stages and waits are sums over the workers."""
        waits = {name: seconds(self.counts, f"wait_for_{name}") for name in ("windows", "model")}
        return {
            "verdict": self.verdict,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "media_seconds": self.count("media_ms") / 1000,
            "times_real_time": times_real_time(self.counts, self.seconds),
            "stage_seconds": {**stage_seconds(self.counts), "tables": self.table_seconds},
            "waiting_seconds": {"model_for_windows": waits["windows"], "windows_for_model": waits["model"]},
            "bytes": {"files": self.count("file_bytes"), "read": self.count("bytes_read")},
            "files": {end: self.count(f"files_{end}") for end in ("readable", "failed", "failed_before")},
            "windows": {end: self.count(f"windows_{end}") for end in WINDOW_COUNTS},
            "rows": self.rows,
            "options": json.loads(self.options.to_json()),
            "versions": package_versions(),
            "machine": machine_facts(self.options.device),
        }

    def write(self, storage: Storage) -> None:
        """Puts the report into the output."""
        storage.write(json.dumps(self.report(), indent=2).encode(), REPORT_FILE)

    @property
    def _skipped(self) -> str:
        failed = self.count("windows_failed_before")
        return f"{self.count('windows_skipped')} skipped ({self.count('windows_skipped') - failed} done before" + (
            f", {failed} failed before)" if failed else ")"
        )

    @property
    def _remedy(self) -> list[str]:
        standing = self.count("windows_failed_before") + self.count("files_failed_before")
        return [f"failures   {standing} of earlier runs stand; --retry-failed tries them again"] if standing else []

    def __str__(self) -> str:
        tables = " ".join(f"{table}/ ({rows})" for table, rows in self.rows.items())
        table = next(table for table in self.rows if table in self.options.tables)
        reading = self.options.layout.how_to_read(self.options.output, table)
        left_out = self.count("files_left_out")
        return "\n".join(
            [
                f"files      {self.files}: {self.count('files_readable')} readable, "
                f"{self.count('files_failed')} failed, {self.count('files_failed_before')} failed before",
                *([f"left out   {left_out} files, by --exclude or --sample"] if left_out else []),
                f"windows    {self.count('windows_planned')}: {self.count('windows_succeeded')} succeeded, "
                f"{self.count('windows_failed')} failed, {self._skipped}",
                *self._remedy,
                f"speed      {times_real_time(self.counts, self.seconds):.1f} seconds of video per second, "
                f"{self.seconds:.1f} s in all",
                f"verdict    {self.verdict}",
                f"rows       {self.options.output}/: {tables}",
                *(f"{tool:<10} {statement}" for tool, statement in reading.items()),
            ]
        )
