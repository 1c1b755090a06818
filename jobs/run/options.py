"""What can be typed behind the commands that run the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


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


RUN_OPTIONS = (
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
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return click.pass_context(command)
