"""Measuring the cost of windows on this machine, by processing a few of them with the run's own code."""

import contextlib
import dataclasses
import itertools
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from favor.errors import FavorError
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.sampling import Windowing
from favor.models.base import Batch, GenerationOptions
from favor.models.registry import describe
from pipeline.options import ExecutionOptions, ModelOptions
from pipeline.planning.forecast import Costs
from transforms.counts import Counts
from transforms.decode import decode_segment
from transforms.elements import Answered, Identity, Segment, Window
from transforms.generate import ClipModelHandler
from transforms.metrics import Tally, timed, timed_items
from transforms.rows import Failure

NEIGHBOURS = 3  # consecutive windows decoded per segment, since a run decodes most windows consecutively
BATCHES = 4  # measured at most,
ENOUGH_SECONDS = 30.0  # or until the model has taken this long
WARM_UP_TOKENS = 2
# What a worker imports before it loads the model, the model's family included.
WORKER_IMPORTS = """
import sys
import pipeline.execution.runners, pipeline.run
from favor.models.registry import describe
describe(sys.argv[1])
"""


def calibrate(
    segments: list[Segment], windowing: Windowing, model: ModelOptions, execution: ExecutionOptions, seed: int = 0
) -> Costs:
    """Decodes and answers windows in full batches, as a worker of the run would, but without decoding ahead.

    Args:
        segments: segments drawn from the corpus.
        windowing: how files are cut into windows.
        model: the model options of the planned run.
        execution: the execution options of the planned run, with a batch size.
        seed: random seed for choosing windows of a segment.

    Raises:
        FavorError: if none of the windows can be decoded and answered, or the model cannot be loaded.
    """
    torch.set_num_threads(worker_threads(execution.workers))
    identity = model.identity(windowing)
    spent, chosen = Tally(), _chosen(segments, random.Random(seed))
    next(_decoded(chosen[:1], identity), None)  # warm-up: a decoder that has just started is slow
    handler = ClipModelHandler(identity, model.placement, model.generation, execution.batch_size)
    with timed("load", spent.add):
        loaded = handler.load_model()
    shortest = GenerationOptions(max_new_tokens=WARM_UP_TOKENS, num_beams=model.generation.num_beams)
    warm_up = ClipModelHandler(identity, model.placement, shortest, execution.batch_size)
    outcomes: list[Answered | Failure] = []
    decoded, cpu = 0, 0.0
    windows = timed_items("decode", _decoded(chosen, identity), spent.add)
    while batch := list(itertools.islice(windows, execution.batch_size)):
        decoded += len(batch)
        if not outcomes:
            list(warm_up.run_inference(batch, loaded))
        elif len(batch) < execution.batch_size:
            break
        before = time.process_time()
        with timed("model", spent.add):
            outcomes += handler.run_inference(batch, loaded)
        cpu += time.process_time() - before
        enough = Counts(spent.snapshot()).seconds("model") >= ENOUGH_SECONDS
        if enough or len(outcomes) >= BATCHES * execution.batch_size:
            break
    answered = _answered(outcomes)
    took = Counts(spent.snapshot())
    return Costs(
        windows=answered,
        decode_seconds=took.seconds("decode") / decoded,
        model_seconds=took.seconds("model") / answered,
        model_cpu_seconds=cpu / answered,
        load_seconds=took.seconds("load") + (_start_seconds(model.card.name) if execution.workers > 1 else 0.0),
        peak_bytes=_peak_bytes(loaded.device),
    )


def worker_threads(workers: int) -> int:
    """Returns how many threads a worker computes with; torch chooses the number for a single worker."""
    return torch.get_num_threads() if workers == 1 else max(1, (os.cpu_count() or 1) // workers)


def computed_bytes(windowing: Windowing, model: ModelOptions, batch_size: int) -> int | None:
    """Returns the maximum device memory of a worker in bytes, or None if the model's card cannot compute it."""
    batch = Batch(
        windows=batch_size,
        seconds=math.ceil(windowing.longest_ms / 1000),
        new_tokens=model.generation.max_new_tokens,
        beams=model.generation.num_beams,
    )
    need = describe(model.card.name).memory_need(batch, model.placement)
    return None if need is None else need.total


def _answered(outcomes: list[Answered | Failure]) -> int:
    """Counts the windows that the model has answered.

    Raises:
        FavorError: if there are none.
    """
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if len(failures) < len(outcomes):
        return len(outcomes) - len(failures)
    what = f"answered, the first because of {failures[0].message!r}" if failures else "decoded"
    raise FavorError(f"none of the sampled windows could be {what}, so nothing was measured; use --no-calibrate")


def _chosen(segments: list[Segment], draw: random.Random) -> list[Segment]:
    """Picks a few consecutive windows of each segment."""
    starts = [draw.randint(0, max(0, len(segment.jobs) - NEIGHBOURS)) for segment in segments]
    return [
        dataclasses.replace(segment, jobs=segment.jobs[start : start + NEIGHBOURS])
        for segment, start in zip(segments, starts, strict=True)
    ]


def _decoded(segments: list[Segment], identity: Identity) -> Iterator[Window]:
    with contextlib.closing(IsolatedDecoder()) as decoder:
        for segment in segments:
            for outcome in decode_segment(segment, identity, decoder):
                if isinstance(outcome, Window):
                    yield outcome


def _start_seconds(model: str) -> float:
    """Returns how many seconds a worker takes to start, without loading the model."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", WORKER_IMPORTS, model], check=True)
    return time.perf_counter() - start


def _peak_bytes(device: str) -> int:
    """Returns the peak memory allocated on a GPU, or the peak resident memory of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
