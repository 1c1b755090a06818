"""Training: stage by stage, step by step, on one device or several."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch.utils.data import DataLoader, Dataset

from favor.models.favor.model import FavorModel
from favor.models.placement import choose_device
from favor.training import checkpoints
from favor.training.checkpoints import Position
from favor.training.examples import Example
from favor.training.metrics_log import Records
from favor.training.mixing import Source, draw_batch
from favor.training.objective import Objective
from favor.training.parts import parameter_groups, unfreeze
from favor.training.recipe import Precision, Recipe, Stage, learning_rate
from favor.training.sources import batch_generator

CHECKPOINTS = "checkpoints"
LOG_EVERY = 10  # steps averaged in one record

Report = Callable[[Position, dict[str, Any]], object]
Score = Callable[[FavorModel], dict[str, Any]]


class Batches(Dataset[list[Example]]):
    """The batches of a stage, each a function of its number."""

    def __init__(self, source: Source, stage: Stage, seed: int, number: int) -> None:
        self.source, self.stage, self.seed, self.number = source, stage, seed, number

    def __getitem__(self, place: int) -> list[Example]:
        """Draws a batch."""
        return draw_batch(self.stage, self.source, batch_generator(self.seed, self.number, place))


def make_accelerator(precision: Precision, device: str = "auto") -> Accelerator:
    """Chooses devices and precision; use ``accelerate launch`` for several processes.

    Args:
        precision: "auto" is bfloat16 on a GPU that supports it, and float32 elsewhere.
        device: "auto" or "cpu".
    """
    place = choose_device(device)
    has_bfloat16 = place.type == "cuda" and torch.cuda.is_bf16_supported()
    half = precision == "bfloat16" or (precision == "auto" and has_bfloat16)
    # A batch of one kind leaves parts that only other kinds use without gradients.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(mixed_precision="bf16" if half else "no", cpu=place.type == "cpu", kwargs_handlers=[unused])


class Trainer:
    """A training run that follows a recipe.

    Args:
        recipe: the recipe to follow.
        model: model to start from; the weights of the last checkpoint are loaded into it.
        source: source of examples.
        output: folder of checkpoints and records.
        accelerator: devices and precision.
        score: scores the model on held-out clips; None for no scoring.
        report: called with the position and each record.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: FavorModel,
        source: Source,
        output: Path,
        accelerator: Accelerator,
        score: Score | None = None,
        report: Report = lambda position, values: None,
    ) -> None:
        self.recipe, self.source, self.output, self.score, self.report = recipe, source, output, score, report
        self.accelerator = accelerator
        self.model = model.to(accelerator.device)
        self.trained: set[str] = set()
        self.position = Position()

    def run(self, limit: int | None = None) -> Position:
        """Trains from the last checkpoint on.

        Args:
            limit: steps of all stages after which to stop; None for all.

        Returns:
            The position reached.
        """
        checkpoint = checkpoints.latest(self.output / CHECKPOINTS)
        if checkpoint is not None:
            self.position = checkpoints.load_position(checkpoint)
            self.trained = checkpoints.restore_weights(checkpoint, self.model)
        self.records = Records(self.output, self.position.total) if self.accelerator.is_main_process else None
        end = min(self.recipe.steps, limit or self.recipe.steps)
        for number, stage in enumerate(self.recipe.stages):
            if number >= self.position.stage and self.position.total < end:
                self._run_stage(number, stage, end, checkpoint)
                checkpoint = None
        if self.records is not None:
            self.records.close()
        return self.position

    def _run_stage(self, number: int, stage: Stage, end: int, checkpoint: Path | None) -> None:
        if number > self.position.stage:
            self.position = dataclasses.replace(self.position, stage=number, step=0)
        free = unfreeze(self.model, stage)
        self.trained |= set(free)
        optimiser = torch.optim.AdamW(parameter_groups(free, stage), lr=stage.learning_rate, betas=stage.betas)
        if checkpoint is not None:
            checkpoints.load_optimiser(checkpoint, optimiser)
        objective, optimiser = self.accelerator.prepare(Objective(self.model), optimiser)
        batches = self._batches(number, stage)
        while self.position.step < stage.steps and self.position.total < end:
            before = self.position.total
            self._run_steps(objective, optimiser, list(free.values()), stage, batches, end)
            self._keep(stage, optimiser, before, self.position.total == end)
        self.accelerator.free_memory()

    def _run_steps(
        self,
        objective: torch.nn.Module,
        optimiser: Any,
        free: list[torch.nn.Parameter],
        stage: Stage,
        batches: Iterator[list[Example]],
        end: int,
    ) -> None:
        """Runs up to ``LOG_EVERY`` steps and records their means."""
        before, began, totals = self.position, time.monotonic(), torch.zeros(3)
        count = min(LOG_EVERY - before.total % LOG_EVERY, stage.steps - before.step, end - before.total)
        examples = 0
        for step in range(before.step, before.step + count):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(stage, step)
            torch.manual_seed(self._seed(step))
            for turn in range(stage.accumulate):
                batch = next(batches)
                examples += len(batch) * self.accelerator.num_processes
                totals[:2] += self._backward(objective, stage, batch, turn == stage.accumulate - 1)
            totals[2] += float(self.accelerator.clip_grad_norm_(free, stage.clip_norm))
            optimiser.step()
            optimiser.zero_grad()
        seconds = time.monotonic() - began
        self.position = Position(before.stage, before.step + count, before.total + count, before.seconds + seconds)
        answer, diversity, norm = (totals / count).tolist()
        self._record(
            {
                "stage": stage.name,
                "loss": answer / stage.accumulate,
                "diversity": diversity / stage.accumulate,
                "gradient_norm": norm,
                "learning_rate": learning_rate(stage, self.position.step - 1),
                "examples_per_second": examples / seconds,
                "seconds": self.position.seconds,
            }
        )

    def _backward(self, objective: torch.nn.Module, stage: Stage, batch: list[Example], last: bool) -> torch.Tensor:
        """Accumulates the gradients of a batch; processes exchange them only at the last batch of a step."""
        if last:
            losses = objective(batch)
            self.accelerator.backward((losses.answer + stage.diversity * losses.diversity) / stage.accumulate)
        else:
            with self.accelerator.no_sync(objective):
                return self._backward(objective, stage, batch, last=True)
        return torch.stack([losses.answer, losses.diversity]).detach().float().cpu()

    def _batches(self, number: int, stage: Stage) -> Iterator[list[Example]]:
        """Returns the batches of this process from the current step on, prepared in advance by workers."""
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        first, end = (step * stage.accumulate * processes for step in (self.position.step, stage.steps))
        return iter(
            DataLoader(
                Batches(self.source, stage, self.recipe.seed, number),
                batch_size=None,
                sampler=range(first + rank, end, processes),
                num_workers=self.recipe.workers,
                collate_fn=_unchanged,
                prefetch_factor=4 if self.recipe.workers else None,
            )
        )

    def _seed(self, step: int) -> int:
        """Returns the seed of the dropout in a step."""
        key = [self.recipe.seed, self.position.stage, step, self.accelerator.process_index]
        return int(np.random.SeedSequence(key).generate_state(1)[0])

    def _keep(self, stage: Stage, optimiser: Any, before: int, stop: bool) -> None:
        """Writes a checkpoint and scores the model, each when due."""
        last, total = stop or self.position.step == stage.steps, self.position.total
        if self.accelerator.is_main_process:
            if last or _passes(self.recipe.checkpoint_every, before, total):
                checkpoints.save(
                    self.output / CHECKPOINTS, self.model, self.trained, optimiser.optimizer, self.position
                )
            if self.score is not None and (last or _passes(self.recipe.scoring.every, before, total)):
                with self.accelerator.autocast():  # frozen parts may be in half precision, trained ones are not
                    self._record({"stage": stage.name, "scores": self.score(self.model.eval())})
                unfreeze(self.model, stage)
        self.accelerator.wait_for_everyone()

    def _record(self, values: dict[str, Any]) -> None:
        if self.records is not None:
            self.records.write(self.position.total, values)
            self.report(self.position, values)


def _passes(every: int, before: int, total: int) -> bool:
    """Returns whether a multiple of ``every`` was reached since ``before``; never for 0."""
    return bool(every) and before // every < total // every


def _unchanged(batch: list[Example]) -> list[Example]:
    return batch
