"""The loop that the programs of pretraining share: AdamW in one cycle, reports, and going on after an interruption."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

REPORT_EVERY = 50  # steps
KEEP_EVERY = 100
BETAS, WEIGHT_DECAY, CLIP_NORM, WARMUP = (0.9, 0.95), 0.01, 1.0, 0.05

Measures = dict[str, tuple[float, float]]  # a sum and a count each, whose ratio is reported
Cost = Callable[[int], tuple[Tensor, Measures]]
Group = tuple[Sequence[nn.Parameter], float]  # parameters and their highest learning rate


def learn(cost: Cost, groups: Sequence[Group], steps: int, output: Path) -> None:
    """Trains parameters; a run that was cut off goes on from its last hundred steps by the same call.

    Args:
        cost: the loss of each step, and what is to be reported of it.
        groups: what is trained; the learning rate rises evenly and then falls as a cosine does.
        steps: of the optimiser.
        output: the folder that will be written afterwards; the state of the loop lies beside it.
    """
    trained = [parameter for parameters, _ in groups for parameter in parameters]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW([{"params": list(p)} for p, _ in groups], betas=BETAS, weight_decay=WEIGHT_DECAY)
    state = output.with_name(f"{output.name}.progress.pt")
    first = _go_on(state, trained, optimiser) if state.exists() else 0
    sums: dict[str, list[float]] = {}
    began = time.monotonic()
    for step in range(first, steps):
        for options, (_, rate) in zip(optimiser.param_groups, groups, strict=True):
            options["lr"] = rate * share_of_rate(step, steps)
        loss, measures = cost(step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimiser.step()
        for name, (total, count) in ({"loss": (loss.item(), 1)} | measures).items():
            old = sums.setdefault(name, [0.0, 0.0])
            old[:] = old[0] + total, old[1] + count
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            values = ", ".join(f"{name} {total / max(count, 1):.3f}" for name, (total, count) in sums.items())
            print(f"{step + 1} of {steps} steps, {time.monotonic() - began:.0f} s: {values}", flush=True)
            sums.clear()
        if (step + 1) % KEEP_EVERY == 0:
            _keep(state, step + 1, trained, optimiser)
    state.unlink(missing_ok=True)


def share_of_rate(step: int, steps: int) -> float:
    """The share of the highest learning rate at a step: it rises evenly at first, and falls as a cosine does."""
    return min((step + 1) / math.ceil(WARMUP * steps), (1 + math.cos(math.pi * step / steps)) / 2)


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
