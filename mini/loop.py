"""The loop that trains some parameters: it goes on where it was cut off, and prints how far it has come."""

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

Measures = dict[str, tuple[Tensor | float, Tensor | float]]  # a sum and a count each, whose ratio is reported
Cost = Callable[[int], tuple[Tensor, Measures]]
Group = tuple[Sequence[nn.Parameter], float]  # parameters, and the factor of their learning rate


@dataclasses.dataclass(frozen=True)
class Course:
    """How long and how fast something is learnt.

    Attributes:
        output: the folder that will be written afterwards; the state of the loop lies beside it.
        steps: of the optimiser.
        rate: the highest learning rate, which rises evenly at first and then falls as a cosine does.
    """

    output: Path
    steps: int
    rate: float


def learn(cost: Cost, groups: Sequence[Group], course: Course) -> None:
    """Trains parameters; a run that was cut off goes on from where it was last kept by the same call.

    Args:
        cost: the loss of a step, and what is to be reported of it.
        groups: what is trained.
        course: how.
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
    done = _go_on(state, trained, optimiser) if state.exists() else 0
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
            _keep(state, step + 1, trained, optimiser)
    state.unlink(missing_ok=True)


def share_of_rate(step: int, steps: int) -> float:
    """The share of the highest learning rate at a step: it rises evenly at first, and falls as a cosine does."""
    return min((step + 1) / math.ceil(WARMUP * steps), (1 + math.cos(math.pi * step / steps)) / 2)


class _Report:
    """Prints the means of the last steps."""

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


def _keep(path: Path, step: int, trained: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save([step, [parameter.detach() for parameter in trained], optimiser.state_dict()], partial)
    partial.replace(path)


def _go_on(path: Path, trained: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> int:
    step, weights, state = torch.load(path, map_location=trained[0].device, weights_only=True)
    with torch.no_grad():
        for parameter, weight in zip(trained, weights, strict=True):
            parameter.copy_(weight)
    optimiser.load_state_dict(state)
    print(f"going on after {step} steps", flush=True)
    return int(step)
