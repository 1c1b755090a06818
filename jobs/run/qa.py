"""``favor qa``: answers questions about every window of a corpus."""

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


@click.command("qa", cls=RunCommand, interrupted=INTERRUPTED)
@click.option("--caption", is_flag=True, help="Write captions too.")
@click.option("--transcribe", is_flag=True, help="Write transcripts too.")
@corpus_options
@output_options
@question_options
@model_options
@execution_options
@overwrite_option
def qa_command(
    caption: bool,
    transcribe: bool,
    corpus: CorpusOptions,
    output: OutputOptions,
    questions: tuple[Question, ...],
    model: ModelOptions,
    execution: ExecutionOptions,
    overwrite: bool,
) -> None:
    """Answers questions about the videos, sounds and images in CORPUS.

    The encoders run once per window, however many questions there are.

    \b
    Examples:
      favor qa films --output out --question 'What makes the sound?'
      favor qa films -o out --questions questions.jsonl
    \b
    A line of questions.jsonl; with "uri", it is asked only about that file:
      {"question_id": "sound", "question": "What makes the sound?", "uri": "films/a.mp4"}
    """
    if not questions:
        raise click.UsageError("give --question TEXT or --questions FILE")
    wanted = ((caption, caption_question()), (transcribe, transcribe_question()))
    own = tuple(question for is_wanted, question in wanted if is_wanted)
    execute((*own, *questions), corpus, model, output, execution, overwrite)
