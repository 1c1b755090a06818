"""What a run has done, in figures that must add up."""

import dataclasses
import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from favor.models.placement import choose_device
from pipeline.execution.runners import LOCAL_RUNNER
from pipeline.options import RunOptions
from pipeline.output.directory import REPORT_FILE, OutputDirectory
from pipeline.output.tables import package_versions
from pipeline.reporting.verdict import verdict
from transforms.counts import Counts, seconds, stage_seconds, times_real_time

WINDOW_COUNTS = ("planned", "succeeded", "failed", "skipped", "failed_before")


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

    def write(self, storage: OutputDirectory) -> None:
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


def machine_facts(device: str) -> dict[str, Any]:
    """Describes this machine.

    Args:
        device: ``auto`` or a torch device.

    Raises:
        FavorError: if there is no such device.
    """
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
    """Returns what Linux calls the processor, or elsewhere what Python does."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
