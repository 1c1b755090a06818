"""``favor qa``: answers to questions about every window of a corpus."""

from typing import Any

import click

from jobs.run.execute import caption_question, execute, transcribe_question
from jobs.run.options import RunCommand, run_options


@click.command("qa", cls=RunCommand)
@click.option("--caption", is_flag=True, help="Write captions too.")
@click.option("--transcribe", is_flag=True, help="Write transcripts too.")
@run_options
def qa_command(context: click.Context, caption: bool, transcribe: bool, **options: Any) -> None:
    """Writes answers to questions about the videos, sounds and images in CORPUS.

    The encoders run once per window, however many questions there are.

    \b
    Examples:
      favor qa films --output out --question 'What makes the sound?'
      favor qa films -o out --questions questions.jsonl
    \b
    A line of questions.jsonl; with "uri" it is asked about that file only:
      {"question_id": "sound", "question": "What makes the sound?", "uri": "films/a.mp4"}
    """
    if not (options["texts"] or options["files"]):
        raise click.UsageError("give --question TEXT or --questions FILE")
    extra = [
        question for wanted, question in ((caption, caption_question()), (transcribe, transcribe_question())) if wanted
    ]
    execute(context, extra, options)
