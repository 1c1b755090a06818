"""What the commands that run the pipeline share: what they ask, and the run itself."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from favor.prompts import CAPTION_PROMPT, TRANSCRIBE_PROMPT

if TYPE_CHECKING:
    from favor.media.corpus.selection import Selection
    from pipeline.options import RunOptions
    from pipeline.reporting.report import Summary
    from transforms.elements import Question


def caption_question(prompt: str = CAPTION_PROMPT) -> Question:
    """Returns the question whose answers are captions."""
    from transforms.elements import Question
    from transforms.rows import CAPTIONS

    return Question(CAPTIONS, "caption", prompt)


def transcribe_question() -> Question:
    """Returns the question whose answers are transcripts."""
    from transforms.elements import Question
    from transforms.rows import TRANSCRIPTS

    return Question(TRANSCRIPTS, "transcript", TRANSCRIBE_PROMPT)


def execute(context: click.Context, questions: list[Question], options: dict[str, Any]) -> None:
    """Runs the pipeline and prints the summary.

    Args:
        context: of the command.
        questions: what the command itself asks.
        options: the values of ``OPTIONS``.

    Raises:
        click.ClickException: for everything that a user or a machine can do wrong, in one line.
    """
    from favor.errors import FavorError
    from favor.io.stores import store_errors
    from pipeline.run import run

    overwrite = options.pop("overwrite")
    if options["workers"] > 1 and options["runner"] != "DirectRunner":
        raise click.UsageError(f"--workers is for this machine; {options['runner']} has its own options, behind --")
    try:
        run_options = make_options(questions, beam_options=context.meta["beam_options"], **options)
        if not run_options.trained:
            click.echo(f"{run_options.identity.model} is untrained: its text means nothing", err=True)
        summary = run(run_options, overwrite)
    except store_errors(FavorError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; the same command goes on where it stopped") from None
    click.echo(str(summary))
    _judge(summary)


def _judge(summary: Summary) -> None:
    if summary.missing:
        raise click.ClickException(f"{summary.missing} windows came to no end: rows were lost")
    if not summary.count("files_readable"):
        raise click.ClickException(_why_nothing(summary))


def _why_nothing(summary: Summary) -> str:
    from pipeline.output.journal import Journal
    from transforms.rows import FAILURES

    for row in Journal(summary.options.output).parts(FAILURES).head(1, columns=["message"]).to_pylist():
        return f"no file could be read; the first failure: {row['message']}"
    return f"nothing is left of the corpus: {summary.count('files_left_out')} files are excluded or not in the sample"


def make_options(
    questions: list[Question],
    *,
    corpus: tuple[str, ...],
    texts: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    batch_size: int | None = None,
    retry_failed: bool = False,
    max_attempts: int = 3,
    **typed: Any,
) -> RunOptions:
    """Turns what was typed into the options of a run.

    Args:
        questions: what the command itself asks.
        corpus: files, directories, globs and manifests.
        texts: questions to ask too.
        files: files of questions to ask too.
        batch_size: windows at once; None for what suits the device.
        retry_failed: whether what failed in earlier runs is tried again.
        max_attempts: how often anything is tried in all.
        typed: the other values of ``OPTIONS``, and further fields of `RunOptions`.

    Raises:
        FavorError: if there is no such model, a file of questions or a manifest is wrong, or an extra is missing.
    """
    from pipeline.inputs import corpus_labels
    from pipeline.options import RunOptions, auto_batch_size
    from pipeline.output.formats import Layout
    from transforms.history import RetryPolicy

    labels, streamed = corpus_labels(corpus)
    asked = (*questions, *_asked(texts, files))
    _check_languages(asked, labels)
    return RunOptions(
        corpus=corpus,
        questions=asked,
        labels=labels,
        streamed=streamed,
        batch_size=batch_size or auto_batch_size(typed.get("device", "auto")),
        retry_policy=RetryPolicy(time.time() if retry_failed else None, max_attempts),
        selection=selection(typed),
        layout=Layout(**taken(typed, "formats", "partition_by")),
        **_model(
            **taken(typed, "model", "window_seconds", "split", "audio_track", "max_new_tokens", "num_beams"),
            dtype=typed.get("dtype", "auto"),
            quantization=typed.get("quantization"),
        ),
        **typed,
    )


def selection(typed: dict[str, Any]) -> Selection:
    """Takes what says which files of a corpus are wanted out of what was typed."""
    from favor.media.corpus.selection import Selection

    return Selection(**taken(typed, "exclude", "share", "seed", "limit"))


def taken(typed: dict[str, Any], *names: str) -> dict[str, Any]:
    """Takes the options of these names, as far as they are there, out of what was typed."""
    return {name: typed.pop(name) for name in names if name in typed}


def _model(
    dtype: str,
    quantization: str | None,
    model: str = "favor-mini",
    window_seconds: float = 30.0,
    split: str = "fixed",
    audio_track: int | None = None,
    max_new_tokens: int = 128,
    num_beams: int = 1,
) -> dict[str, Any]:
    """Returns the fields of `RunOptions` that say which model answers, what it is shown, and how it generates."""
    from favor import GenerationOptions
    from favor.media.sampling import SCENES, Sampling
    from favor.media.scenes.cuts import check_installed
    from favor.models.favor.folder import describe
    from transforms.elements import Identity

    if split == SCENES:
        check_installed()
    card = describe(model)
    generation = GenerationOptions(max_new_tokens=max_new_tokens, num_beams=num_beams)
    frames = (card.config.visual.image_size, card.config.frame_sampling)
    sampling = Sampling(*frames, round(window_seconds * 1000), audio_track, split)
    precision = f"{dtype}, {quantization or 'not'} quantized"
    settings = json.dumps(generation.to_dict(), sort_keys=True)
    identity = Identity(card.name, card.revision, precision, str(sampling), settings)
    return {"identity": identity, "trained": card.trained, "generation": generation, "sampling": sampling}


def _asked(texts: tuple[str, ...], files: tuple[str, ...]) -> list[Question]:
    from pipeline.inputs import read_questions
    from transforms.elements import Question
    from transforms.rows import ANSWERS

    asked = [Question(ANSWERS, f"q{number}", text) for number, text in enumerate(texts, start=1)]
    return asked + [question for path in files for question in read_questions(path)]


def _check_languages(questions: tuple[Question, ...], labels: dict[str, str]) -> None:
    from favor.errors import FavorError
    from transforms.elements import LANGUAGE_PLACEHOLDER

    for question in questions:
        if LANGUAGE_PLACEHOLDER in question.text and "language" not in labels:
            raise FavorError(f"{question.text!r} needs a manifest with a column 'language' in the corpus")
