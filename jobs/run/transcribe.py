"""``favor transcribe``: the speech of every window of a corpus."""

from typing import Any

import click

from jobs.run.execute import caption_question, execute, transcribe_question
from jobs.run.options import RunCommand, run_options


@click.command("transcribe", cls=RunCommand)
@click.option("--caption", is_flag=True, help="Write captions too.")
@run_options
def transcribe_command(context: click.Context, caption: bool, **options: Any) -> None:
    """Writes transcripts of the speech in CORPUS.

    A window without sound gets an empty transcript with the finish reason "no_audio".

    \b
    Examples:
      favor transcribe lectures --output out
      favor transcribe 's3://bucket/talks/*.mp4' -o out --caption --workers 2
    """
    questions = [transcribe_question()]
    execute(context, [*questions, caption_question()] if caption else questions, options)
