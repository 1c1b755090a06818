"""``favor transcribe``: writes a transcript for every window of a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.command import INTERRUPTED
from jobs.run.execute import execute
from jobs.run.options import (
    RunCommand,
    corpus_options,
    execution_options,
    model_options,
    output_options,
    overwrite_option,
)
from jobs.run.questions import caption_question, question_options, transcribe_question

if TYPE_CHECKING:
    from pipeline.options import CorpusOptions, ExecutionOptions, ModelOptions, OutputOptions
    from transforms.elements import Question


@click.command("transcribe", cls=RunCommand, interrupted=INTERRUPTED)
@click.option("--caption", is_flag=True, help="Write captions too.")
@corpus_options
@output_options
@question_options
@model_options
@execution_options
@overwrite_option
def transcribe_command(
    caption: bool,
    corpus: CorpusOptions,
    output: OutputOptions,
    questions: tuple[Question, ...],
    model: ModelOptions,
    execution: ExecutionOptions,
    overwrite: bool,
) -> None:
    """Writes transcripts of the speech in CORPUS.

    A window without sound gets an empty transcript with the finish reason "no_audio".

    \b
    Examples:
      favor transcribe lectures --output out
      favor transcribe 's3://bucket/talks/*.mp4' -o out --caption --workers 2
    """
    own = (transcribe_question(), caption_question()) if caption else (transcribe_question(),)
    execute((*own, *questions), corpus, model, output, execution, overwrite)
