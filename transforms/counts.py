"""The counters of a run, and the figures derived from them."""

import dataclasses
from collections.abc import Mapping

STAGES = ("list", "probe", "decode", "load", "encode", "generate", "write")
ENDS = ("succeeded", "failed", "skipped")  # each window has exactly one of these outcomes


@dataclasses.dataclass(frozen=True)
class Counts:
    """The counters of a run at one moment; the counts of several workers can be added.

    Attributes:
        by_name: the counters by name; times are in microseconds, under ``STAGE_us``. Missing counters are 0.
    """

    by_name: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        """Returns one counter, or 0 if it was never counted."""
        return self.by_name.get(name, 0)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts({name: self[name] + other[name] for name in {**self.by_name, **other.by_name}})

    @property
    def windows_planned(self) -> int:
        """Windows of the files that have been planned so far."""
        return self["windows_planned"]

    @property
    def windows_done(self) -> int:
        """Windows that have succeeded, failed or been skipped."""
        return sum(self[f"windows_{end}"] for end in ENDS)

    @property
    def windows_tried(self) -> int:
        """Windows that this run has processed, successfully or not."""
        return self["windows_succeeded"] + self["windows_failed"]

    @property
    def failures(self) -> int:
        """Windows and whole files that have failed."""
        return self["windows_failed"] + self["files_failed"]

    @property
    def stage_seconds(self) -> dict[str, float]:
        """The seconds that each stage took, summed over all workers; decoding runs in parallel with the model."""
        return {stage: self.seconds(stage) for stage in STAGES}

    @property
    def waiting_share(self) -> float:
        """The share of the model's time that it spent waiting for windows."""
        waited = self.seconds("wait_for_windows")
        return waited / max(waited + self.seconds("encode") + self.seconds("generate"), 1e-9)

    def seconds(self, stage: str) -> float:
        """Returns the seconds counted for a stage, or for waiting."""
        return self[f"{stage}_us"] / 1e6

    def times_real_time(self, seconds: float) -> float:
        """Returns how many seconds of media were processed per second.

        Args:
            seconds: how long the run has taken.
        """
        return self["media_ms"] / 1000 / max(seconds, 1e-9)
