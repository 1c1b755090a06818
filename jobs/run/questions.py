"""The questions that the commands that run the pipeline ask about every window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.run.options import OptionGroup

if TYPE_CHECKING:
    from transforms.elements import Question


def caption_question(prompt: str = "") -> Question:
    """Returns the question whose answers are captions, by default with the prompt of the model's card."""
    from transforms.elements import Question
    from transforms.rows import CAPTIONS

    return Question(CAPTIONS, "caption", prompt)


def transcribe_question() -> Question:
    """Returns the question whose answers are transcripts, with the prompt of the model's card."""
    from transforms.elements import Question
    from transforms.rows import TRANSCRIPTS

    return Question(TRANSCRIPTS, "transcript", "")


def user_questions(texts: tuple[str, ...], files: tuple[str, ...]) -> tuple[Question, ...]:
    """Returns the questions that the user asks.

    Args:
        texts: texts of questions.
        files: paths of files of questions.

    Raises:
        FavorError: if a file cannot be read as questions.
    """
    from pipeline.inputs import read_questions
    from transforms.elements import Question
    from transforms.rows import ANSWERS

    asked = [Question(ANSWERS, f"q{number}", text) for number, text in enumerate(texts, start=1)]
    return (*asked, *(question for path in files for question in read_questions(path)))


question_options = OptionGroup(
    "questions",
    user_questions,
    click.option("--question", "texts", multiple=True, metavar="TEXT", help="Ask this question too. Can be repeated."),
    click.option(
        "--questions",
        "files",
        multiple=True,
        metavar="FILE",
        help="Ask these questions too: JSON lines or CSV with question_id, question and, optionally, uri.",
    ),
)
