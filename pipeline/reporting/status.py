"""The status of a run, from its output alone, so that it can be read from another shell or machine."""

import dataclasses
import datetime
import time
from collections.abc import Mapping
from typing import Any

from pipeline.output.directory import JOURNAL, OutputDirectory
from pipeline.output.heartbeat import DONE, MISSED_TO_BE_SILENT, RUNNING, STOPPED, Heartbeat
from pipeline.output.reader import open_output
from pipeline.reporting.progress import format_duration
from transforms.counts import ENDS

AGAIN = "the same command goes on where it stopped"
# The names that filesystems use for a file's modification time.
MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")


@dataclasses.dataclass(frozen=True)
class Status:
    """The status of a run; times are in seconds since 1970.

    Attributes:
        output: the output directory.
        settings: the model and its settings, by table.
        progress: the last heartbeat of the run.
        now: the time at which the status was read.
        written: time of the last rows, if the run is silent; None if it is not, or there are no rows.
        verdict: the bottleneck of the run, once it is done.
    """

    output: str
    settings: Mapping[str, Mapping[str, Any]]
    progress: Heartbeat
    now: float
    written: float | None
    verdict: str | None

    @property
    def silence(self) -> float:
        """The seconds since the last heartbeat; never negative, though the clocks of two machines may differ."""
        return max(0.0, self.now - self.progress.updated)

    @property
    def alive(self) -> bool:
        """Whether the run seems active: it has a recent heartbeat, or recent rows without one."""
        patience = MISSED_TO_BE_SILENT * self.progress.every_seconds
        heard = min(self.silence, self.now - (self.written or 0))
        return self.progress.state == RUNNING and heard <= patience

    @property
    def windows_left(self) -> int:
        """The number of planned windows that are not done yet."""
        return self.progress.counts.windows_planned - self.progress.counts.windows_done

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the remaining windows take at the recent speed, or None if unknown."""
        rate = self.progress.windows_per_second
        return self.windows_left / rate if rate and self.alive else None

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as JSON values."""
        derived = {name: getattr(self, name) for name in ("alive", "silence", "windows_left", "seconds_left")}
        return {**dataclasses.asdict(self), "progress": self.progress.to_dict(), **derived}

    def __str__(self) -> str:
        lines = {
            "output": self.output,
            "model": self._models(),
            "state": self._state(),
            **self._figures(),
        }
        if self.seconds_left is not None:
            end = datetime.datetime.fromtimestamp(self.now + self.seconds_left, datetime.UTC)
            lines["time left"] = f"about {format_duration(self.seconds_left)}, until {end:%Y-%m-%d %H:%M} UTC"
        if self.verdict:
            lines["verdict"] = self.verdict
        return "\n".join(f"{name:<10} {text}" for name, text in lines.items())

    def _models(self) -> str:
        """Names the model, or each model with its tables if there are several."""
        tables: dict[str, list[str]] = {}
        for table, made in self.settings.items():
            tables.setdefault(f"{made.get('model')} ({made.get('model_revision')})", []).append(table)
        if len(tables) == 1:
            return next(iter(tables))
        return ", ".join(f"{model}: {' and '.join(names)}" for model, names in tables.items())

    def _figures(self) -> dict[str, str]:
        counts, progress = self.progress.counts, self.progress
        planned, done = counts.windows_planned, counts.windows_done
        ends = ", ".join(f"{counts[f'windows_{end}']} {end}" for end in ENDS)
        speed = counts.times_real_time(progress.updated - progress.started)
        rate = progress.windows_per_second
        pace = f"{rate * 60:.1f} windows a minute recently, " if rate else ""
        return {
            "windows": f"{done} of {planned} ({done / max(planned, 1):.0%}): {ends}",
            "failures": f"{counts.failures}, {counts['files_failed']} of them whole files",
            "speed": f"{pace}{speed:.1f} seconds of video per second since the start",
        }

    def _state(self) -> str:
        where = f"on {self.progress.host} (process {self.progress.pid})"
        heard = f"heard of {format_duration(self.silence)} ago"
        if self.progress.state == STOPPED:
            return f"stopped {format_duration(self.silence)} ago {where}; {AGAIN}"
        if self.progress.state != RUNNING:
            return f"done {format_duration(self.silence)} ago {where}"
        if self.alive and self.written:
            return f"rows come in, but the process that watches {where} was last {heard}"
        return f"running {where}, {heard}" if self.alive else f"seems dead {where}, last {heard}; {AGAIN}"


def read_status(output: str) -> Status:
    """Reads the status of the run that is writing, or has last written, an output.

    Args:
        output: the output directory, a local path or any fsspec URL.

    Raises:
        FavorError: if no run has written to the output.
        OSError: if the output cannot be read.
    """
    opened = open_output(output)
    progress, now = opened.heartbeat(), time.time()
    report = opened.report() if progress.state == DONE else None
    status = Status(output, opened.settings, progress, now, None, report["verdict"] if report else None)
    if progress.state == RUNNING and not status.alive:
        return dataclasses.replace(status, written=_last_part(opened.storage))
    return status


def _last_part(storage: OutputDirectory) -> float | None:
    """Returns the modification time of the journal's latest part, or None if it has none."""
    filesystem = storage.filesystem
    filesystem.invalidate_cache()
    try:
        found = filesystem.find(storage.path(JOURNAL), detail=True)
    except FileNotFoundError:
        return None
    return max((time for info in found.values() if (time := _modified(info)) is not None), default=None)


def _modified(info: dict[str, Any]) -> float | None:
    """Returns the modification time of a file, which filesystems give as a number, a datetime or text."""
    value = next((info[key] for key in MODIFIED_KEYS if info.get(key) is not None), None)
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value)
    return value.timestamp() if isinstance(value, datetime.datetime) else value
