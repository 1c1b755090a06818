"""What the commands that run the pipeline share: their options, and the run itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from favor.prompt import CAPTION_PROMPT, TRANSCRIBE_PROMPT

if TYPE_CHECKING:
    from favor.media.selection import Selection
    from pipeline.options import RunOptions
    from pipeline.report import Summary
    from transforms.records import Question


class RunCommand(click.Command):
    """A command that hands everything behind ``--`` to Beam."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Sets Beam's options aside before click sees them."""
        context.meta["beam_options"] = ()
        if "--" in args:
            split = args.index("--")
            context.meta["beam_options"] = tuple(args[split + 1 :])
            args = args[:split]
        return super().parse_args(context, args)


class BatchSize(click.ParamType):
    """A number of windows, or ``auto``."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int | None:
        """Returns the number, or None for ``auto``."""
        return None if value in (None, "auto") else click.IntRange(1).convert(value, param, context)


class Percent(click.ParamType):
    """A share such as ``1%``, as a number from 0 to 1."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        """Returns the share."""
        number, sign, rest = str(value).partition("%")
        try:
            share = float(number) / 100
        except ValueError:
            share = 0.0
        if not sign or rest or not 0 < share <= 1:
            self.fail(f"{value!r} is not a share such as 1% or 0.5%, above 0% and up to 100%", param, context)
        return share


def _globs(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(value.strip(" /.") for value in values):
        raise click.BadParameter("an empty glob leaves out everything; name files or directories, such as '*.wav'")
    return values


def _formats(value: str) -> tuple[str, ...]:
    formats = tuple(dict.fromkeys(value.split(",")))
    if not set(formats) <= {"parquet", "jsonl"}:
        raise click.BadParameter(f"{value!r} is not parquet, jsonl or parquet,jsonl")
    return formats


OPTIONS = (
    click.argument("corpus", nargs=-1, required=True),
    click.option("-o", "--output", required=True, metavar="DIR", help="Where the tables go; local or any fsspec URL."),
    click.option("--model", default="favor-mini", show_default=True, help="A preset's name or a model folder."),
    click.option("--question", "texts", multiple=True, metavar="TEXT", help="Ask this too; may be repeated."),
    click.option(
        "--questions",
        "files",
        multiple=True,
        metavar="FILE",
        help="Ask these too: JSON lines or CSV with question_id, question and, optionally, uri.",
    ),
    click.option(
        "--window-seconds",
        default=30.0,
        show_default=True,
        type=click.FloatRange(0.5, 3600),
        help="What the model sees at once.",
    ),
    click.option(
        "--split",
        default="fixed",
        show_default=True,
        type=click.Choice(["fixed", "scenes"]),
        help="Where windows end: at multiples of their length, or at the scene boundary nearest to it, which makes"
        " them half to one and a half times as long.  [scenes: pip install '.[scenes]']",
    ),
    click.option(
        "--audio-track",
        type=click.IntRange(0),
        metavar="N",
        help="Which audio stream of a file is heard, counted from 0.  [default: the one that the file marks]",
    ),
    click.option("--max-new-tokens", default=128, show_default=True, type=click.IntRange(1), help="Longest answer."),
    click.option("--num-beams", default=1, show_default=True, type=click.IntRange(1), help="1 is greedy."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."),
    click.option(
        "--dtype",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        help="Of the weights.",
    ),
    click.option(
        "--quantization",
        default="none",
        show_default=True,
        type=click.Choice(["none", "int8", "int4"]),
        callback=lambda context, option, value: None if value == "none" else value,
        help="Of the language model; less memory.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        callback=lambda context, option, value: _globs(value),
        help="Leave these out: '*.wav', a directory's name, 'raw/*.mov'.",
    ),
    click.option("--sample", type=Percent(), metavar="P%", help="Take this share of the files only, such as 1%."),
    click.option("--seed", default=0, show_default=True, help="Another one takes another sample."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Take the first N files or rows of a manifest."),
    click.option(
        "--format",
        "formats",
        default="parquet",
        show_default=True,
        callback=lambda context, option, value: _formats(value),
        help="Of the tables: parquet, jsonl or parquet,jsonl.",
    ),
    click.option("--partition-by", metavar="COLUMN", help="Directories by a manifest's column, COLUMN=VALUE/."),
    click.option("--batch-size", default="auto", show_default=True, type=BatchSize(), help="Windows at once."),
    click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes on this machine."),
    click.option("--runner", default="DirectRunner", show_default=True, help="Beam runner; its options go behind --."),
    click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs; else it is skipped."),
    click.option(
        "--max-attempts",
        default=3,
        show_default=True,
        type=click.IntRange(2),
        help="How often --retry-failed tries anything in all.",
    ),
    click.option("--overwrite", is_flag=True, help="Start anew instead of going on where an earlier run stopped."),
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the corpus argument and the options of a run to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return click.pass_context(command)


def caption_question(prompt: str = CAPTION_PROMPT) -> Question:
    """Returns the question whose answers are captions."""
    from transforms.records import CAPTIONS, Question

    return Question(CAPTIONS, "caption", prompt)


def transcribe_question() -> Question:
    """Returns the question whose answers are transcripts."""
    from transforms.records import TRANSCRIPTS, Question

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
    from favor.media.stores import store_errors
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
    from pipeline.journal import Journal
    from pipeline.schema import FAILURES

    for row in Journal(summary.options.output).parts(FAILURES).head(1, columns=["message"]).to_pylist():
        return f"no file could be read; the first failure: {row['message']}"
    return f"nothing is left of the corpus: {summary.count('files_left_out')} files are excluded or not in the sample"


def make_options(
    questions: list[Question],
    *,
    texts: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    model: str = "favor-mini",
    window_seconds: float = 30.0,
    split: str = "fixed",
    audio_track: int | None = None,
    max_new_tokens: int = 128,
    num_beams: int = 1,
    batch_size: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str | None = None,
    corpus: tuple[str, ...],
    exclude: tuple[str, ...] = (),
    sample: float | None = None,
    seed: int = 0,
    limit: int | None = None,
    formats: tuple[str, ...] = ("parquet",),
    partition_by: str | None = None,
    retry_failed: bool = False,
    max_attempts: int = 3,
    **rest: Any,
) -> RunOptions:
    """Turns what was typed into the options of a run.

    Args:
        questions: what the command itself asks.
        texts: questions to ask too.
        files: files of questions to ask too.
        model: a preset's name or a model folder.
        window_seconds: the length of a window.
        split: as in `favor.media.sampling.Sampling`.
        audio_track: likewise.
        max_new_tokens: the longest answer.
        num_beams: of the search; 1 is greedy.
        batch_size: windows at once; None for what suits the device.
        device: as in `RunOptions`, like the two that follow.
        dtype: of the weights.
        quantization: of the language model.
        corpus: files, directories, globs and manifests.
        exclude: as in `favor.media.selection.Selection`, like the three that follow.
        sample: the share of the files that is taken; None is all.
        seed: of the sample.
        limit: how many files are taken.
        formats: as in `pipeline.table_files.Layout`.
        partition_by: likewise.
        retry_failed: whether what failed in earlier runs is tried again.
        max_attempts: how often anything is tried in all.
        rest: further fields of `RunOptions`.

    Raises:
        FavorError: if there is no such model, a file of questions or a manifest is wrong, or an extra is missing.
    """
    from favor import GenerationOptions
    from favor.card import describe
    from favor.media.cuts import check_installed
    from favor.media.sampling import SCENES, Sampling
    from pipeline.labels import corpus_labels
    from pipeline.options import RunOptions, auto_batch_size
    from pipeline.table_files import Layout
    from transforms.past import Retrying
    from transforms.records import Identity

    if split == SCENES:
        check_installed()
    card = describe(model)
    generation = GenerationOptions(max_new_tokens=max_new_tokens, num_beams=num_beams)
    frames = (card.config.visual.image_size, card.config.frame_sampling)
    sampling = Sampling(*frames, round(window_seconds * 1000), audio_track, split)
    precision = f"{dtype}, {quantization or 'not'} quantized"
    settings = json.dumps(generation.to_dict(), sort_keys=True)
    labels, streamed = corpus_labels(corpus)
    asked = (*questions, *_asked(texts, files))
    _check_languages(asked, labels)
    return RunOptions(
        corpus=corpus,
        questions=asked,
        selection=selection(exclude, sample, seed, limit),
        labels=labels,
        streamed=streamed,
        layout=Layout(formats, partition_by),
        identity=Identity(card.name, card.revision, precision, str(sampling), settings),
        trained=card.trained,
        generation=generation,
        sampling=sampling,
        batch_size=batch_size or auto_batch_size(device),
        device=device,
        dtype=dtype,
        quantization=quantization,
        retrying=Retrying(time.time() if retry_failed else None, max_attempts),
        **rest,
    )


def selection(exclude: tuple[str, ...], sample: float | None, seed: int, limit: int | None) -> Selection:
    """Returns which files of a corpus are taken, by the options of that name."""
    from favor.media.selection import Selection

    return Selection(exclude, 1.0 if sample is None else sample, seed, limit)


def _asked(texts: tuple[str, ...], files: tuple[str, ...]) -> list[Question]:
    from pipeline.questions import read_questions
    from transforms.records import ANSWERS, Question

    asked = [Question(ANSWERS, f"q{number}", text) for number, text in enumerate(texts, start=1)]
    return asked + [question for path in files for question in read_questions(path)]


def _check_languages(questions: tuple[Question, ...], labels: dict[str, str]) -> None:
    from favor.errors import FavorError
    from transforms.records import LANGUAGE

    for question in questions:
        if LANGUAGE in question.text and "language" not in labels:
            raise FavorError(f"{question.text!r} needs a manifest with a column 'language' in the corpus")
