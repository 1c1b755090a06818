"""Where the time of a run went: which stage took it, what waited for what, and what would help."""

import math

from transforms.counts import Counts

DECODE_BOUND = 0.1  # of its time that the model waits; less is the first window of a run
BATCHES_TO_TELL = 3  # of each worker: in a shorter run the first batch, for which the model always waits, decides


def verdict(counts: Counts, batch_size: int, workers: int, cores: int | None) -> str:
    """Says in one sentence what held the run up.

    Args:
        counts: of the whole run.
        batch_size: windows per batch.
        workers: processes that shared the work.
        cores: of the machine, or None where workers are not ours to choose.
    """
    done = counts.windows_tried
    if not done:
        return "nothing was left to do"
    share = counts.waiting_share
    waited = f"the model waited {share:.0%} of the time for windows"
    if done < BATCHES_TO_TELL * batch_size * workers:
        return f"too short a run to tell what held it up; {waited}"
    if share >= DECODE_BOUND:
        return f"decode-bound: {waited}{_advice(share, workers, cores)}"
    rested = counts.seconds("wait_for_model")
    rest = rested / max(rested + counts.seconds("decode"), 1e-9)
    return f"model-bound: {waited}, decoding waited {rest:.0%} of the time for the model"


def _advice(share: float, workers: int, cores: int | None) -> str:
    """Says how many workers would keep the model busy, as far as there are cores."""
    if cores is None:
        return ""
    wanted = min(cores, math.ceil(workers / max(1 - share, 1e-9)))
    return f"; use --workers {wanted}" if wanted > workers else f"; {cores} cores decode no faster"
