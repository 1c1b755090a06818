"""What a run counts, and what follows from it."""

Counts = dict[str, int]


def windows_done(counts: Counts) -> int:
    """Returns how many windows have had their end, good or bad."""
    return sum(counts.get(f"windows_{end}", 0) for end in ("succeeded", "failed", "skipped"))


def times_real_time(counts: Counts, seconds: float) -> float:
    """Returns how many seconds of media were done per second."""
    return counts.get("media_ms", 0) / 1000 / max(seconds, 1e-9)


def failures(counts: Counts) -> int:
    """Returns how many windows and files have failed."""
    return counts.get("windows_failed", 0) + counts.get("files_failed", 0)


STAGES = ("list", "probe", "decode", "load", "encode", "generate", "write")


def stage_seconds(counts: Counts) -> dict[str, float]:
    """Returns the seconds that each stage took, summed over all workers; decoding goes on beside the model."""
    return {stage: seconds(counts, stage) for stage in STAGES}


def seconds(counts: Counts, name: str) -> float:
    """Returns the seconds that were counted under a name."""
    return counts.get(f"{name}_us", 0) / 1e6
