"""What the programs of pretraining share: arguments, and AdamW in one cycle, which goes on after an interruption.

``torchrun --nproc-per-node 2 -m favor.training.pretraining.joining …`` trains with several processes: each has batches
of its own, and their gradients are averaged.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch import distributed as dist

REPORT_EVERY = 50  # steps
KEEP_EVERY = 100
BETAS, WEIGHT_DECAY, CLIP_NORM, WARMUP = (0.9, 0.95), 0.01, 1.0, 0.05

Measures = dict[str, tuple[float, float]]  # a sum and a count each, whose ratio is reported
Cost = Callable[[int], tuple[Tensor, Measures]]
Group = tuple[Sequence[nn.Parameter], float]  # parameters, and the factor of their learning rate


@dataclasses.dataclass(frozen=True)
class Course:
    """How long and how fast something is learnt.

    Attributes:
        output: the folder that will be written afterwards; the state of the loop lies beside it.
        steps: of the optimiser.
        rate: the highest learning rate, which rises evenly at first and then falls as a cosine does.
        first: number of the first batch.
    """

    output: Path
    steps: int
    rate: float
    first: int = 0

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Course":
        """Takes what ``course_parser`` read."""
        return cls(options.output, options.steps, options.rate, options.first)


def course_parser(description: str | None, steps: int, batch: int, rate: float) -> argparse.ArgumentParser:
    """Returns a parser of what all programs are told, with these defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, help="folder of the model that learns")
    parser.add_argument("output", type=Path, help="folder of the model that has learnt")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch, help="examples of each step in each process")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--first", type=int, default=0, help="number of the first batch, to go on with others")
    return parser


def learn(cost: Cost, groups: Sequence[Group], course: Course) -> bool:
    """Trains parameters; a run that was cut off goes on from its last hundred steps by the same call.

    Args:
        cost: the loss of the batch with some number, and what is to be reported of it.
        groups: what is trained.
        course: how.

    Returns:
        Whether this process is the one that writes the output.
    """
    rank, processes = join_processes()
    trained = [parameter for parameters, _ in groups for parameter in parameters]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW([{"params": list(p)} for p, _ in groups], betas=BETAS, weight_decay=WEIGHT_DECAY)
    state = course.output.with_name(f"{course.output.name}.progress.pt")
    done = _go_on(state, trained, optimiser) if state.exists() else 0
    report = _Report(course.steps)
    for step in range(done, course.steps):
        for options, (_, factor) in zip(optimiser.param_groups, groups, strict=True):
            options["lr"] = factor * course.rate * share_of_rate(step, course.steps)
        loss, measures = cost(course.first + step * processes + rank)
        optimiser.zero_grad()
        loss.backward()
        _average_gradients(trained, processes)
        nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimiser.step()
        if rank == 0:
            report.add(step + 1, {"loss": (loss.item(), 1)} | measures)
            if (step + 1) % KEEP_EVERY == 0:
                _keep(state, step + 1, trained, optimiser)
    if rank == 0:
        state.unlink(missing_ok=True)
    return rank == 0


def share_of_rate(step: int, steps: int) -> float:
    """The share of the highest learning rate at a step: it rises evenly at first, and falls as a cosine does."""
    return min((step + 1) / math.ceil(WARMUP * steps), (1 + math.cos(math.pi * step / steps)) / 2)


def join_processes() -> tuple[int, int]:
    """Returns the place of this process among those that ``torchrun`` started, and how many they are."""
    if dist.is_torchelastic_launched() and not dist.is_initialized():
        dist.init_process_group("gloo")
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _average_gradients(trained: Sequence[nn.Parameter], processes: int) -> None:
    if processes == 1:
        return
    for parameter in trained:  # a batch without pictures leaves some out
        parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, mean in zip(gradients, (flat / processes).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


class _Report:
    """Prints the means of the last steps."""

    def __init__(self, steps: int) -> None:
        self.steps, self.began = steps, time.monotonic()
        self.sums: dict[str, list[float]] = {}

    def add(self, step: int, measures: Measures) -> None:
        for name, (total, count) in measures.items():
            old = self.sums.setdefault(name, [0.0, 0.0])
            old[:] = old[0] + total, old[1] + count
        if step % REPORT_EVERY == 0 or step == self.steps:
            values = ", ".join(f"{name} {total / max(count, 1):.3f}" for name, (total, count) in self.sums.items())
            print(f"{step} of {self.steps} steps, {time.monotonic() - self.began:.0f} s: {values}", flush=True)
            self.sums.clear()


def _keep(path: Path, step: int, trained: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save([step, [parameter.detach() for parameter in trained], optimiser.state_dict()], partial)
    partial.replace(path)


def _go_on(path: Path, trained: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> int:
    step, weights, state = torch.load(path, weights_only=True)
    with torch.no_grad():
        for parameter, weight in zip(trained, weights, strict=True):
            parameter.copy_(weight)
    optimiser.load_state_dict(state)
    print(f"going on after {step} steps", flush=True)
    return int(step)
