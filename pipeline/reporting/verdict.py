"""The bottleneck of a run: which stage took the time, what waited for what, and what would help."""

import math

from transforms.counts import Counts

DECODE_BOUND = 0.1  # the share of its time that the model waits; less is due to the first window of a run
BATCHES_TO_TELL = 3  # per worker; in a shorter run, the first batch, for which the model always waits, dominates


def verdict(counts: Counts, batch_size: int, workers: int, cores: int | None) -> str:
    """Returns a sentence that names the bottleneck of a run.

    Args:
        counts: the counts of the whole run.
        batch_size: windows per batch.
        workers: number of processes that shared the work.
        cores: number of cores of the machine, or None if the runner chooses the workers.
    """
    done = counts.windows_tried
    if not done:
        return "nothing was left to do"
    share = counts.waiting_share
    waited = f"the model waited {share:.0%} of the time for windows"
    if done < BATCHES_TO_TELL * batch_size * workers:
        return f"too short a run to say what held it up; {waited}"
    if share >= DECODE_BOUND:
        return f"decode-bound: {waited}{_advice(share, workers, cores)}"
    rested = counts.seconds("wait_for_model")
    rest = rested / max(rested + counts.seconds("decode"), 1e-9)
    return f"model-bound: {waited}, decoding waited {rest:.0%} of the time for the model"


def _advice(share: float, workers: int, cores: int | None) -> str:
    """Returns how many workers would keep the model busy, if there are enough cores."""
    if cores is None:
        return ""
    wanted = min(cores, math.ceil(workers / max(1 - share, 1e-9)))
    return f"; use --workers {wanted}" if wanted > workers else f"; {cores} cores decode no faster"
