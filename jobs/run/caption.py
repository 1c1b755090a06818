"""``favor caption``: writes a caption for every window of a corpus."""

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


@click.command("caption", cls=RunCommand, interrupted=INTERRUPTED)
@click.option("--prompt", default="", help="Prompt for the captions.  [default: the one of the model's card]")
@click.option("--transcribe", is_flag=True, help="Write transcripts too.")
@corpus_options
@output_options
@question_options
@model_options
@execution_options
@overwrite_option
def caption_command(
    prompt: str,
    transcribe: bool,
    corpus: CorpusOptions,
    output: OutputOptions,
    questions: tuple[Question, ...],
    model: ModelOptions,
    execution: ExecutionOptions,
    overwrite: bool,
) -> None:
    """Writes captions for the videos, sounds and images in CORPUS.

    CORPUS is any mix of files, directories (searched for media), globs and manifests (.jsonl, .csv or .parquet with at
    least a column "uri"), local or any fsspec URL.

    \b
    Examples:
      favor caption samples --output out
      favor caption 'films/**/*.mkv' trailer.mp4 -o out --window-seconds 10
      favor caption films -o out --transcribe --question 'How many people speak?'
      favor caption films.jsonl -o out --sample 1% --exclude '*.wav'
      favor caption films -o out --split scenes --window-seconds 15
      favor caption gs://bucket/films -o gs://bucket/captions --workers 4
      favor caption gs://bucket/films -o gs://bucket/captions \\
        --runner DataflowRunner -- --project=P --region=R --temp_location=gs://bucket/tmp
    """
    own = (caption_question(prompt), transcribe_question()) if transcribe else (caption_question(prompt),)
    execute((*own, *questions), corpus, model, output, execution, overwrite)
