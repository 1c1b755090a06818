"""Executing a run, shared by the commands that run the pipeline."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipeline.options import CorpusOptions, ExecutionOptions, ModelOptions, OutputOptions
    from transforms.elements import Question


def execute(
    questions: tuple[Question, ...],
    corpus: CorpusOptions,
    model: ModelOptions,
    output: OutputOptions,
    execution: ExecutionOptions,
    overwrite: bool,
) -> None:
    """Runs the pipeline and prints the summary.

    Args:
        questions: what is asked about every window; those without a text get the prompt of the model's card.
        corpus: what is read.
        model: which model answers, and how.
        output: where the rows are written.
        execution: how the work is executed.
        overwrite: delete what the output holds.

    Raises:
        click.ClickException: if no file could be read, or rows were lost.
        FavorError: for any other error of the user or the environment.
    """
    from pipeline.inputs import worded
    from pipeline.options import RunOptions
    from pipeline.output.metadata import UNTRAINED
    from pipeline.run import run

    asked = tuple(worded(question, model.card) for question in questions)
    options = RunOptions(dataclasses.replace(corpus, questions=asked), model, output, execution)
    if not model.card.trained:
        click.echo(f"{model.card.name} is {UNTRAINED}", err=True)
    summary = run(options, overwrite)
    click.echo(str(summary))
    if summary.missing:
        raise click.ClickException(f"{summary.missing} windows have no outcome: rows were lost")
    if not summary.counts["files_readable"]:
        raise click.ClickException(summary.why_nothing())
