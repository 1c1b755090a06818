"""Measuring what windows of a corpus cost on this machine, by doing a few of them with the run's own code."""

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

from favor import GenerationOptions
from favor.errors import FavorError
from favor.models.favor.folder import describe
from favor.models.favor.memory import Batch, memory_need
from favor.models.placement import check_quantization, choose_device, choose_dtype
from pipeline.options import RunOptions
from pipeline.planning.forecast import Costs
from transforms.counts import seconds
from transforms.decode import decode_segment
from transforms.elements import Segment, Window
from transforms.generate import ClipModelHandler
from transforms.metrics import Tally, timed, timed_items

NEIGHBOURS = 3  # windows that are decoded in a row, since a run decodes most of them in a row
BATCHES = 4  # are measured at most,
ENOUGH_SECONDS = 30.0  # or as many as the model needs this long for
WARM_UP_TOKENS = 2


def calibrate(segments: list[Segment], options: RunOptions, seed: int = 0) -> Costs:
    """Decodes and answers windows of a corpus in full batches, as one worker of the run would, but one after the other.

    Args:
        segments: drawn from the corpus.
        options: of the run that is planned.
        seed: of which windows of a segment are taken.

    Raises:
        FavorError: if none of the windows can be decoded, or the model cannot be loaded.
    """
    torch.set_num_threads(worker_threads(options.workers))
    spent, chosen = Tally(), _chosen(segments, random.Random(seed))
    next(_decoded(chosen[:1], options), None)  # a decoder that has just started is slow
    handler = _handler(options, options.generation)
    with timed("load", spent.add):
        model = handler.load_model()
    warm_up = GenerationOptions(max_new_tokens=WARM_UP_TOKENS, num_beams=options.generation.num_beams)
    decoded = done = 0
    cpu = 0.0
    windows = timed_items("decode", _decoded(chosen, options), spent.add)
    while batch := list(itertools.islice(windows, options.batch_size)):
        decoded += len(batch)
        if not done:  # and so is a model
            list(_handler(options, warm_up).run_inference(batch, model))
        elif len(batch) < options.batch_size:
            break
        before = time.process_time()
        with timed("model", spent.add):
            list(handler.run_inference(batch, model))
        cpu, done = cpu + time.process_time() - before, done + len(batch)
        if done >= BATCHES * options.batch_size or seconds(spent.snapshot(), "model") >= ENOUGH_SECONDS:
            break
    if not done:
        raise FavorError("none of the sampled windows could be decoded, so nothing was measured; use --no-calibrate")
    took = spent.snapshot()
    return Costs(
        windows=done,
        decode_seconds=seconds(took, "decode") / decoded,
        model_seconds=seconds(took, "model") / done,
        model_cpu_seconds=cpu / done,
        load_seconds=seconds(took, "load") + (_start_seconds() if options.workers > 1 else 0.0),
        peak_bytes=_peak_bytes(model.device),
    )


def worker_threads(workers: int) -> int:
    """Returns how many threads a worker computes with: in a run of one, what torch chooses."""
    return torch.get_num_threads() if workers == 1 else max(1, (os.cpu_count() or 1) // workers)


def computed_bytes(options: RunOptions) -> int:
    """Returns the memory that a worker needs on its device at most, by arithmetic from the model's sizes."""
    dtype = str(choose_dtype(options.dtype, choose_device(options.device))).removeprefix("torch.")
    batch = Batch(
        windows=options.batch_size,
        seconds=math.ceil(options.sampling.window_ms / 1000),
        new_tokens=options.generation.max_new_tokens,
        beams=options.generation.num_beams,
    )
    config = describe(options.identity.model).config
    return memory_need(config, dtype, check_quantization(options.quantization), batch).total


def _handler(options: RunOptions, generation: GenerationOptions) -> ClipModelHandler:
    where = (options.device, options.dtype, options.quantization)
    return ClipModelHandler(options.identity, generation, options.batch_size, *where)


def _chosen(segments: list[Segment], draw: random.Random) -> list[Segment]:
    """Cuts a few neighbouring windows out of each segment."""
    starts = [draw.randint(0, max(0, len(segment.jobs) - NEIGHBOURS)) for segment in segments]
    return [
        dataclasses.replace(segment, jobs=segment.jobs[start : start + NEIGHBOURS])
        for segment, start in zip(segments, starts, strict=True)
    ]


def _decoded(segments: list[Segment], options: RunOptions) -> Iterator[Window]:
    for segment in segments:
        for outcome in decode_segment(segment, options.identity, options.sampling):
            if isinstance(outcome, Window):
                yield outcome


def _start_seconds() -> float:
    """Returns how long a process takes until it has imported what a worker needs."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pipeline.reporting.report"], check=True)
    return time.perf_counter() - start


def _peak_bytes(device: torch.device) -> int:
    """Returns the most that has been allocated on a GPU, or the most that this process has held in memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
