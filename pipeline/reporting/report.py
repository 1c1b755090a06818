"""The report of a finished run, whose figures must add up."""

import dataclasses
import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

from favor.structs import to_json
from pipeline.options import LOCAL_RUNNER, RunOptions
from pipeline.output.directory import REPORT_FILE, OutputDirectory
from pipeline.output.metadata import package_versions
from pipeline.output.reader import open_output
from pipeline.reporting.verdict import verdict
from transforms.counts import Counts
from transforms.rows import FAILURES

WINDOW_COUNTS = ("planned", "succeeded", "failed", "skipped", "failed_before")


@dataclasses.dataclass(frozen=True)
class Summary:
    """The figures of a finished run.

    Attributes:
        options: the options of the run.
        counts: the final counts.
        rows: number of rows in each table, including those of earlier runs.
        started: start time, in UTC.
        seconds: duration of the run.
        table_seconds: part of the duration that was spent on building the tables.
    """

    options: RunOptions
    counts: Counts
    rows: dict[str, int]
    started: datetime.datetime
    seconds: float
    table_seconds: float

    @property
    def files(self) -> int:
        """The number of files and names in the corpus, readable or not."""
        return sum(self.counts[f"files_{end}"] for end in ("readable", "failed", "failed_before"))

    @property
    def missing(self) -> int:
        """The number of windows without any outcome; if it is not 0, rows were lost."""
        return self.counts.windows_planned - self.counts.windows_done

    @property
    def verdict(self) -> str:
        """The bottleneck of the run, in one sentence."""
        cores = os.cpu_count() if self.options.execution.runner == LOCAL_RUNNER else None
        return verdict(self.counts, self.options.execution.batch_size, self.options.execution.workers, cores)

    def report(self) -> dict[str, Any]:
        """Returns all figures as JSON values; seconds of stages and waits are sums over the workers."""
        waits = {name: self.counts.seconds(f"wait_for_{name}") for name in ("windows", "model")}
        return {
            "verdict": self.verdict,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "media_seconds": self.counts["media_ms"] / 1000,
            "times_real_time": self.counts.times_real_time(self.seconds),
            "stage_seconds": {**self.counts.stage_seconds, "tables": self.table_seconds},
            "waiting_seconds": {"model_for_windows": waits["windows"], "windows_for_model": waits["model"]},
            "bytes": {"files": self.counts["file_bytes"], "read": self.counts["bytes_read"]},
            "files": {end: self.counts[f"files_{end}"] for end in ("readable", "failed", "failed_before")},
            "windows": {end: self.counts[f"windows_{end}"] for end in WINDOW_COUNTS},
            "rows": self.rows,
            "options": to_json(self.options),
            "versions": package_versions(),
            "machine": machine_facts(self.options.model.placement.device),
        }

    def write(self, storage: OutputDirectory) -> None:
        """Writes the report to the output."""
        storage.write(json.dumps(self.report(), indent=2).encode(), REPORT_FILE)

    def why_nothing(self) -> str:
        """Returns why no file was read: the message of the first failure in the output, if there is one."""
        failures = open_output(self.options.output.directory).table(FAILURES)
        for row in failures.head(1, columns=["message"]).to_pylist():
            return f"no file could be read; the first failure: {row['message']}"
        return f"nothing is left of the corpus: {self.counts['files_left_out']} files are excluded or not in the sample"

    @property
    def _skipped(self) -> str:
        failed = self.counts["windows_failed_before"]
        return f"{self.counts['windows_skipped']} skipped ({self.counts['windows_skipped'] - failed} done before" + (
            f", {failed} failed before)" if failed else ")"
        )

    @property
    def _remedy(self) -> list[str]:
        standing = self.counts["windows_failed_before"] + self.counts["files_failed_before"]
        return (
            [f"failures   {standing} of earlier runs are unresolved; --retry-failed retries them"] if standing else []
        )

    def __str__(self) -> str:
        tables = " ".join(f"{table}/ ({rows})" for table, rows in self.rows.items())
        table = next(table for table in self.rows if table in self.options.corpus.tables)
        reading = self.options.output.layout.how_to_read(self.options.output.directory, table)
        left_out = self.counts["files_left_out"]
        return "\n".join(
            [
                f"files      {self.files}: {self.counts['files_readable']} readable, "
                f"{self.counts['files_failed']} failed, {self.counts['files_failed_before']} failed before",
                *([f"left out   {left_out} files, by --exclude or --sample"] if left_out else []),
                f"windows    {self.counts['windows_planned']}: {self.counts['windows_succeeded']} succeeded, "
                f"{self.counts['windows_failed']} failed, {self._skipped}",
                *self._remedy,
                f"speed      {self.counts.times_real_time(self.seconds):.1f} seconds of video per second, "
                f"{self.seconds:.1f} s in all",
                f"verdict    {self.verdict}",
                f"rows       {self.options.output.directory}/: {tables}",
                *(f"{tool:<10} {statement}" for tool, statement in reading.items()),
            ]
        )


def machine_facts(device: str) -> dict[str, Any]:
    """Returns a description of this machine.

    Args:
        device: ``auto`` or a torch device.

    Raises:
        FavorError: if there is no such device.
    """
    import torch  # takes seconds to import, so the options are checked first

    from favor.models.placement import choose_device

    chosen = choose_device(device)
    on_gpu = chosen.type == "cuda"
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "device": str(chosen),
        "device_name": torch.cuda.get_device_name(chosen) if on_gpu else None,
        "device_memory_bytes": torch.cuda.get_device_properties(chosen).total_memory if on_gpu else None,
    }


def _cpu_name() -> str:
    """Returns the name of the processor according to Linux, or elsewhere according to Python."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
