"""A resumable training loop that prints its progress."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

REPORT_EVERY = 50  # steps
KEEP_EVERY = 250
BETAS, WEIGHT_DECAY, CLIP_NORM, WARMUP = (0.9, 0.95), 0.01, 1.0, 0.05

Measures = dict[str, tuple[Tensor | float, Tensor | float]]  # sum and count by name; their ratio is reported
Cost = Callable[[int], tuple[Tensor, Measures]]
Group = tuple[Sequence[nn.Parameter], float]  # parameters, and the factor of their learning rate


@dataclasses.dataclass(frozen=True)
class Course:
    """Length and learning rate of a training.

    Attributes:
        output: the folder that is written afterwards; the state of the loop is kept next to it.
        steps: number of optimiser steps.
        rate: the peak learning rate, after a linear warm-up and before a cosine decay.
    """

    output: Path
    steps: int
    rate: float


def learn(cost: Cost, groups: Sequence[Group], course: Course) -> None:
    """Trains parameters; repeating the call resumes an interrupted run from its last saved state.

    Args:
        cost: returns the loss of a step and the measures to report.
        groups: the parameters to train.
        course: length and learning rate.
    """
    trained = [parameter for parameters, _ in groups for parameter in parameters]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(
        [{"params": list(parameters)} for parameters, _ in groups],
        betas=BETAS,
        weight_decay=WEIGHT_DECAY,
        fused=trained[0].is_cuda,
    )
    state = course.output.with_name(f"{course.output.name}.progress.pt")
    done = _resume(state, trained, optimiser) if state.exists() else 0
    report = _Report(course.steps)
    for step in range(done, course.steps):
        for options, (_, factor) in zip(optimiser.param_groups, groups, strict=True):
            options["lr"] = factor * course.rate * share_of_rate(step, course.steps)
        loss, measures = cost(step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimiser.step()
        report.add(step + 1, {"loss": (loss.detach(), 1)} | measures)
        if (step + 1) % KEEP_EVERY == 0:
            _save(state, step + 1, trained, optimiser)
    state.unlink(missing_ok=True)


def share_of_rate(step: int, steps: int) -> float:
    """Returns the fraction of the peak learning rate at a step: a linear warm-up, then a cosine decay."""
    return min((step + 1) / math.ceil(WARMUP * steps), (1 + math.cos(math.pi * step / steps)) / 2)


class _Report:
    """A printer of the means over recent steps."""

    def __init__(self, steps: int) -> None:
        self.steps, self.began = steps, time.monotonic()
        self.sums: dict[str, tuple[Tensor | float, Tensor | float]] = {}

    def add(self, step: int, measures: Measures) -> None:
        for name, (total, count) in measures.items():
            old = self.sums.get(name, (0.0, 0.0))
            self.sums[name] = old[0] + total, old[1] + count
        if step % REPORT_EVERY == 0 or step == self.steps:
            values = ", ".join(f"{name} {float(t) / max(float(n), 1):.3f}" for name, (t, n) in self.sums.items())
            print(f"{step} of {self.steps} steps, {time.monotonic() - self.began:.0f} s: {values}", flush=True)
            self.sums.clear()


def _save(path: Path, step: int, trained: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save([step, [parameter.detach() for parameter in trained], optimiser.state_dict()], partial)
    partial.replace(path)


def _resume(path: Path, trained: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> int:
    step, weights, state = torch.load(path, map_location=trained[0].device, weights_only=True)
    with torch.no_grad():
        for parameter, weight in zip(trained, weights, strict=True):
            parameter.copy_(weight)
    optimiser.load_state_dict(state)
    print(f"resuming after {step} steps", flush=True)
    return int(step)
