"""``favor caption``: a caption for every window of a corpus."""

from typing import Any

import click

from jobs.run.execute import CAPTION_PROMPT, caption_question, execute, transcribe_question
from jobs.run.options import RunCommand, run_options


@click.command("caption", cls=RunCommand)
@click.option("--prompt", default=CAPTION_PROMPT, show_default=True, help="What the model is asked for.")
@click.option("--transcribe", is_flag=True, help="Write transcripts too.")
@run_options
def caption_command(context: click.Context, prompt: str, transcribe: bool, **options: Any) -> None:
    """Writes captions of the videos, sounds and images in CORPUS.

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
    questions = [caption_question(prompt)]
    execute(context, [*questions, transcribe_question()] if transcribe else questions, options)
