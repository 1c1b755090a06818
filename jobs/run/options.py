"""Options of the commands that run the pipeline, in groups; each group becomes one value."""

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
    """Adds options to a command, which gets one value in place of them.

    Values are made when the command runs, those of the uppermost decorator first.

    Args:
        name: of the argument by which the command gets the value.
        build: makes the value; its parameters are the names of the options.
        options: click's decorators.
        lazy: whether the command gets a function that makes the value.
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
    """A command that hands everything behind ``--`` to Beam, as if it were an option ``beam_options``."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Sets Beam's options aside before click sees them."""
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
    """Says what is read; what is wrong with it at first sight is found here.

    Raises:
        FavorError: if none of the files is there, a manifest is wrong, or an extra is missing.
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
    click.argument("corpus", nargs=-1, required=True),
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
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        callback=lambda context, option, value: _globs(value),
        help="Leave these out: '*.wav', a directory's name, 'raw/*.mov'.",
    ),
    click.option(
        "--sample",
        "share",
        type=Percent(),
        default="100%",
        metavar="P%",
        help="Take this share of the files only, such as 1%.",
    ),
    click.option("--seed", default=0, show_default=True, help="Another one takes another sample."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Take the first N files or rows of a manifest."),
)


def build_model(
    model: str, max_new_tokens: int, num_beams: int, device: str, dtype: str, quantization: str | None
) -> ModelOptions:
    """Says which model answers.

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
        help="A packaged or installed model's name, or a model folder.",
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
)


def build_output(
    output: str, formats: tuple[str, ...], partition_by: str | None, retry_failed: bool, max_attempts: int
) -> OutputOptions:
    """Says where the rows go, and which failures there are tried again."""
    from pipeline.options import OutputOptions
    from pipeline.output.formats import Layout
    from transforms.history import RetryPolicy

    retry_policy = RetryPolicy(time.time() if retry_failed else None, max_attempts)
    return OutputOptions(output, Layout(formats, partition_by), retry_policy)


output_options = OptionGroup(
    "output",
    build_output,
    click.option("-o", "--output", required=True, metavar="DIR", help="Where the tables go; local or any fsspec URL."),
    click.option(
        "--format",
        "formats",
        default="parquet",
        show_default=True,
        callback=lambda context, option, value: _formats(value),
        help="Of the tables: parquet, jsonl or parquet,jsonl.",
    ),
    click.option("--partition-by", metavar="COLUMN", help="Directories by a manifest's column, COLUMN=VALUE/."),
    click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs; else it is skipped."),
    click.option(
        "--max-attempts",
        default=3,
        show_default=True,
        type=click.IntRange(2),
        help="How often --retry-failed tries anything in all.",
    ),
)

overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Start anew instead of going on where an earlier run stopped."
)


def build_execution(batch_size: int, workers: int, runner: str, beam_options: tuple[str, ...]) -> ExecutionOptions:
    """Says who does the work.

    Raises:
        click.UsageError: if processes are wanted of a runner that has options of its own for them.
    """
    from pipeline.options import LOCAL_RUNNER, ExecutionOptions

    if workers > 1 and runner != LOCAL_RUNNER:
        raise click.UsageError(f"--workers is for this machine; {runner} has its own options, behind --")
    return ExecutionOptions(batch_size, runner, beam_options, workers)


def build_shape(batch_size: int, workers: int) -> ExecutionOptions:
    """Says who would do the work of a run on this machine."""
    from pipeline.options import ExecutionOptions

    return ExecutionOptions(batch_size=batch_size, workers=workers)


SHAPE_OPTIONS = (
    click.option("--batch-size", default="auto", show_default=True, type=BatchSize(), help="Windows at once."),
    click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes on this machine."),
)
shape_options = OptionGroup("execution", build_shape, *SHAPE_OPTIONS)
execution_options = OptionGroup(
    "execution",
    build_execution,
    *SHAPE_OPTIONS,
    click.option("--runner", default="DirectRunner", show_default=True, help="Beam runner; its options go behind --."),
)
