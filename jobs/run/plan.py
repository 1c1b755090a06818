"""``favor plan``: surveys a corpus, and predicts what a run over it would take."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from jobs.command import FavorCommand
from jobs.run.options import OptionGroup, corpus_options, model_options, shape_options
from jobs.run.questions import caption_question, question_options

if TYPE_CHECKING:
    from pipeline.options import CorpusOptions, ExecutionOptions, ModelOptions
    from pipeline.planning.forecast import Prediction, Price
    from pipeline.planning.survey import Survey
    from transforms.elements import Question, Segment


def build_price(price_per_hour: float | None, currency: str, prices: str | None, machine: str | None) -> Price | None:
    """Returns the price of the machine, or None if it is not given.

    Raises:
        click.UsageError: if it is given in two ways, or one of --prices and --machine is missing.
        FavorError: if the file of prices does not have the machine.
    """
    from pipeline.planning.forecast import Price, read_price

    if (prices is None) != (machine is None) or (prices and price_per_hour is not None):
        raise click.UsageError("give either --price-per-hour, or --prices with --machine")
    if prices and machine:
        return read_price(prices, machine)
    return None if price_per_hour is None else Price(price_per_hour, currency)


price_options = OptionGroup(
    "price",
    build_price,
    click.option(
        "--price-per-hour", type=click.FloatRange(0), metavar="X", help="Price of this machine, to predict the cost."
    ),
    click.option("--currency", default="USD", show_default=True, help="Currency of --price-per-hour."),
    click.option("--prices", metavar="FILE", help="CSV or JSON lines with machine, price_per_hour and currency."),
    click.option("--machine", metavar="NAME", help="Name of this machine in --prices."),
)


@click.command("plan", cls=FavorCommand)
@corpus_options
@question_options
@model_options.lazily()
@shape_options
@click.option("--calibrate/--no-calibrate", default=True, help="Measure the model, to predict time and memory.")
@price_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan_command(
    corpus: CorpusOptions,
    questions: tuple[Question, ...],
    model: Callable[[], ModelOptions],
    execution: ExecutionOptions,
    calibrate: bool,
    price: Price | None,
    as_json: bool,
) -> None:
    """Surveys CORPUS, and predicts how long favor caption would take for it with the same options.

    Only the headers of files are read; of MPEG-TS, MPEG-PS and Ogg, whose headers do not give the duration, also the
    packets, and with --split scenes also the pictures. Then a few windows, drawn at random, are decoded and answered by
    the model on this machine; --no-calibrate skips this, and needs no model.

    \b
    Examples:
      favor plan films
      favor plan films 'talks/**/*.mkv' --no-calibrate
      favor plan gs://bucket/films --model favor-13b --quantization int4 --workers 2
      favor plan films --prices prices.csv --machine big-gpu --json
    """
    from transforms.elements import check_sound

    chosen = model() if calibrate else None
    if chosen:
        check_sound(chosen.card, corpus.windowing)
    found = _survey(corpus)
    if not as_json:
        click.echo(str(found))
    prediction = None
    if chosen and found.totals["windows"]:
        prediction = _predict(found, (caption_question(), *questions), corpus, chosen, execution, price)
    if as_json:
        facts = {"corpus": found.to_dict(), "prediction": prediction.to_dict() if prediction else None}
        click.echo(json.dumps(facts, indent=2))
    elif prediction:
        click.echo(str(prediction))


def _survey(corpus: CorpusOptions) -> Survey:
    """Lists and probes the corpus, without the model or torch."""
    from favor.media.isolation.decoder import IsolatedDecoder
    from favor.media.needs import ClipNeeds
    from favor.models.base import GenerationOptions
    from pipeline.planning.survey import survey
    from transforms.elements import WHOLE_CORPUS, Identity
    from transforms.history import History
    from transforms.listing import Lister
    from transforms.metrics import Tally
    from transforms.planning import Planner

    identity = Identity("", "", "", corpus.windowing, ClipNeeds(), GenerationOptions())
    tally = Tally()
    lister = Lister(WHOLE_CORPUS, tally, corpus.selection, corpus.labels)
    with contextlib.closing(IsolatedDecoder()) as decoder, tqdm(unit=" files", disable=None) as bar:
        planner = Planner((caption_question(),), identity, WHOLE_CORPUS, History(), decoder, tally)
        return survey(corpus.patterns, lister, planner, corpus.selection.seed, lambda _: bar.update())


def _predict(
    found: Survey,
    questions: tuple[Question, ...],
    corpus: CorpusOptions,
    model: ModelOptions,
    execution: ExecutionOptions,
    price: Price | None,
) -> Prediction:
    from favor.models.placement import choose_device
    from pipeline.inputs import worded
    from pipeline.planning.calibrate import calibrate, computed_bytes
    from pipeline.planning.forecast import Prediction, RunShape, forecast

    device = choose_device(model.placement.device)
    execution = execution.settled(str(device))
    questions = tuple(worded(question, model.card) for question in questions)
    segments = [_asked(segment, questions) for segment in found.segments]
    costs = calibrate(segments, corpus.windowing, model, execution, corpus.selection.seed)
    shared = device.type != "cpu"
    shape = RunShape(found.totals["windows"], execution.batch_size, execution.workers, os.cpu_count() or 1, shared)
    predicted = forecast(costs, shape, found.probe_seconds)
    computed = computed_bytes(corpus.windowing, model, execution.batch_size)
    return Prediction(model.card.name, str(device), costs, shape, predicted, computed, price)


def _asked(segment: Segment, questions: tuple[Question, ...]) -> Segment:
    """Returns a segment with the questions that are asked about its windows."""
    asked = tuple(question for question in questions if question.about(segment.media))
    return dataclasses.replace(segment, jobs=tuple(dataclasses.replace(job, questions=asked) for job in segment.jobs))
