"""Groups of options for the commands that run the pipeline; each group is passed as one value."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from jobs.command import FavorCommand

if TYPE_CHECKING:
    from favor.media.sampling import Split
    from pipeline.options import CorpusOptions, ExecutionOptions, ModelOptions, OutputOptions

Command = Callable[..., None]


class OptionGroup:
    """A decorator that adds options to a command, to which it passes one value instead of them.

    Values are built when the command runs, in the order of the decorators from the top.

    Args:
        name: the argument of the command that receives the value.
        build: builds the value; its parameters are the names of the options.
        *options: click's decorators.
        lazy: whether the command receives a function that builds the value.
    """

    def __init__(
        self, name: str, build: Callable[..., Any], *options: Callable[[Command], Command], lazy: bool = False
    ) -> None:
        self._name = name
        self._build = build
        self._options = options
        self._lazy = lazy

    def lazily(self) -> OptionGroup:
        """Returns the same group for a command that does not always need the value."""
        return OptionGroup(self._name, self._build, *self._options, lazy=True)

    def __call__(self, command: Command) -> Command:
        """Adds the options to a command."""
        own = inspect.signature(self._build).parameters

        @functools.wraps(command)
        def with_value(**arguments: Any) -> None:
            build = functools.partial(self._build, **{name: arguments[name] for name in own})
            others = {name: argument for name, argument in arguments.items() if name not in own}
            command(**others, **{self._name: build if self._lazy else build()})

        decorated: Command = with_value
        for option in reversed(self._options):
            decorated = option(decorated)
        return decorated


class RunCommand(FavorCommand):
    """A command that passes everything after ``--`` to Beam, as if it were an option ``beam_options``."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Removes Beam's options before click parses the rest."""
        beam_options: tuple[str, ...] = ()
        if "--" in args:
            split = args.index("--")
            args, beam_options = args[:split], tuple(args[split + 1 :])
        rest = super().parse_args(context, args)
        context.params["beam_options"] = beam_options
        return rest


class BatchSize(click.ParamType):
    """A number of windows, or ``auto``."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        """Returns the number, or 0 for ``auto``."""
        return 0 if value == "auto" else click.IntRange(1).convert(value, param, context)


class Percent(click.ParamType):
    """A percentage such as ``1%``, as a number from 0 to 1."""

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


def _named(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Refuses empty names, which an unset variable of a shell leaves: they would mean the current directory."""
    if not all(value if isinstance(value, tuple) else [value]):
        raise click.BadParameter("an empty name; name a file, a directory or a URL ('.' is the current directory)")
    return value


def _globs(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(value.strip(" /.") for value in values):
        raise click.BadParameter("an empty glob leaves out everything; name files or directories, such as '*.wav'")
    return values


def _formats(value: str) -> tuple[str, ...]:
    formats = tuple(dict.fromkeys(value.split(",")))
    if not set(formats) <= {"parquet", "jsonl"}:
        raise click.BadParameter(f"{value!r} is not parquet, jsonl or parquet,jsonl")
    return formats


def build_corpus(
    corpus: tuple[str, ...],
    window_seconds: float,
    split: Split,
    audio_track: int | None,
    exclude: tuple[str, ...],
    share: float,
    seed: int,
    limit: int | None,
) -> CorpusOptions:
    """Returns what is read, after quick checks of it.

    Raises:
        FavorError: if none of the files exists, a manifest is invalid, or an extra is not installed.
    """
    from favor.media.corpus.selection import Selection
    from favor.media.sampling import SCENES, Windowing
    from favor.media.scenes.cuts import check_installed
    from pipeline.inputs import check_corpus, corpus_labels
    from pipeline.options import CorpusOptions

    if split == SCENES:
        check_installed()
    labels, streamed = corpus_labels(corpus)
    check_corpus(corpus)
    return CorpusOptions(
        patterns=corpus,
        windowing=Windowing(round(window_seconds * 1000), split, audio_track),
        selection=Selection(exclude, share, seed, limit),
        labels=labels,
        streamed=streamed,
    )


corpus_options = OptionGroup(
    "corpus",
    build_corpus,
    click.argument("corpus", nargs=-1, required=True, callback=lambda context, option, value: _named(value)),
    click.option(
        "--window-seconds",
        default=30.0,
        show_default=True,
        type=click.FloatRange(0.5, 3600),
        help="Length of a window, which the model sees at once.",
    ),
    click.option(
        "--split",
        default="fixed",
        show_default=True,
        type=click.Choice(["fixed", "scenes"]),
        help="Where windows end: at multiples of their length, or at the scene boundary nearest to it, so that they"
        " are half to one and a half times as long.  [scenes: pip install '.[scenes]']",
    ),
    click.option(
        "--audio-track",
        type=click.IntRange(0),
        metavar="N",
        help="Index of the audio stream to use, from 0.  [default: the one that the file marks as default]",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        callback=lambda context, option, value: _globs(value),
        help="Leave out matching files: '*.wav', a directory's name, 'raw/*.mov'. Can be repeated.",
    ),
    click.option(
        "--sample",
        "share",
        type=Percent(),
        default="100%",
        metavar="P%",
        help="Process only this percentage of the files, such as 1%.",
    ),
    click.option("--seed", default=0, show_default=True, help="Seed of --sample."),
    click.option(
        "--limit", type=click.IntRange(1), metavar="N", help="Process only the first N files or rows of a manifest."
    ),
)


def build_model(
    model: str, max_new_tokens: int, num_beams: int, device: str, dtype: str, quantization: str | None
) -> ModelOptions:
    """Returns which model answers, and how.

    Raises:
        FavorError: if there is no such model.
    """
    from favor.models.base import GenerationOptions
    from favor.models.placement import Placement
    from pipeline.options import ModelOptions

    generation = GenerationOptions(max_new_tokens=max_new_tokens, num_beams=num_beams)
    return ModelOptions.described(model, Placement(device, dtype, quantization), generation)


model_options = OptionGroup(
    "model",
    build_model,
    click.option(
        "--model",
        default="favor-mini",
        show_default=True,
        help="Name of a packaged or installed model, or a model folder.",
    ),
    click.option(
        "--max-new-tokens", default=128, show_default=True, type=click.IntRange(1), help="Maximum length of an answer."
    ),
    click.option(
        "--num-beams",
        default=1,
        show_default=True,
        type=click.IntRange(1),
        help="Beams of the beam search; 1 is greedy.",
    ),
    click.option(
        "--device", default="auto", show_default=True, help="Where the model computes: auto, cpu, cuda, cuda:1, ..."
    ),
    click.option(
        "--dtype",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        help="Type of the weights.",
    ),
    click.option(
        "--quantization",
        default="none",
        show_default=True,
        type=click.Choice(["none", "int8", "int4"]),
        callback=lambda context, option, value: None if value == "none" else value,
        help="Quantization of the language model, to save memory.",
    ),
)


def build_output(
    output: str, formats: tuple[str, ...], partition_by: str | None, retry_failed: bool, max_attempts: int
) -> OutputOptions:
    """Returns where the rows are written, and which earlier failures are retried."""
    from pipeline.options import OutputOptions
    from pipeline.output.formats import Layout
    from transforms.history import RetryPolicy

    retry_policy = RetryPolicy(time.time() if retry_failed else None, max_attempts)
    return OutputOptions(output, Layout(formats, partition_by), retry_policy)


output_options = OptionGroup(
    "output",
    build_output,
    click.option(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        callback=lambda context, option, value: _named(value),
        help="Directory for the tables, local or any fsspec URL.",
    ),
    click.option(
        "--format",
        "formats",
        default="parquet",
        show_default=True,
        callback=lambda context, option, value: _formats(value),
        help="Format of the tables: parquet, jsonl or parquet,jsonl.",
    ),
    click.option(
        "--partition-by", metavar="COLUMN", help="Write rows to directories COLUMN=VALUE/ by a manifest's column."
    ),
    click.option("--retry-failed", is_flag=True, help="Retry what failed in earlier runs, instead of skipping it."),
    click.option(
        "--max-attempts",
        default=3,
        show_default=True,
        type=click.IntRange(2),
        help="Maximum number of attempts with --retry-failed, including the first.",
    ),
)

overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Start from scratch instead of continuing an earlier run."
)


def build_execution(batch_size: int, workers: int, runner: str, beam_options: tuple[str, ...]) -> ExecutionOptions:
    """Returns how the work is executed.

    Raises:
        click.UsageError: if several workers are requested with a runner that has its own options for them.
    """
    from pipeline.options import LOCAL_RUNNER, ExecutionOptions

    if workers > 1 and runner != LOCAL_RUNNER:
        raise click.UsageError(f"--workers is for this machine; {runner} has its own options, after --")
    return ExecutionOptions(batch_size, runner, beam_options, workers)


def build_shape(batch_size: int, workers: int) -> ExecutionOptions:
    """Returns how a run on this machine would be executed."""
    from pipeline.options import ExecutionOptions

    return ExecutionOptions(batch_size=batch_size, workers=workers)


SHAPE_OPTIONS = (
    click.option("--batch-size", default="auto", show_default=True, type=BatchSize(), help="Windows per batch."),
    click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes on this machine."),
)
shape_options = OptionGroup("execution", build_shape, *SHAPE_OPTIONS)
execution_options = OptionGroup(
    "execution",
    build_execution,
    *SHAPE_OPTIONS,
    click.option("--runner", default="DirectRunner", show_default=True, help="Beam runner; its options follow --."),
)
