"""``favor plan``: what a corpus is, and what a run over it would take."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from jobs.run.execute import caption_question, make_options, selection
from jobs.run.options import run_options

if TYPE_CHECKING:
    from pipeline.options import RunOptions
    from pipeline.planning.forecast import Prediction, Price
    from pipeline.planning.survey import Survey
    from transforms.elements import Segment

# What a plan has no use for.
RUN_ONLY = {"output", "runner", "overwrite", "formats", "partition_by", "retry_failed", "max_attempts"}


@click.command("plan")
@run_options
@click.option("--calibrate/--no-calibrate", default=True, help="Measure and predict time and memory, with the model.")
@click.option("--price-per-hour", type=click.FloatRange(0), metavar="X", help="Of this machine; tells the cost too.")
@click.option("--currency", default="USD", show_default=True, help="Of --price-per-hour.")
@click.option("--prices", metavar="FILE", help="CSV or JSON lines with machine, price_per_hour and currency.")
@click.option("--machine", metavar="NAME", help="Which machine of --prices this one is.")
@click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object.")
def plan_command(context: click.Context, calibrate: bool, as_json: bool, **options: Any) -> None:
    """Tells what CORPUS is, and how long favor caption would take for it with the same options.

    Of each file only the header is read, but the packets of MPEG-TS, MPEG-PS and Ogg, which say nothing there, and
    pictures where --split scenes looks for scenes. Then a few of the windows, drawn at random, are decoded and shown to
    the model on this machine; --no-calibrate leaves that out, and needs no model.

    \b
    Examples:
      favor plan films
      favor plan films 'talks/**/*.mkv' --no-calibrate
      favor plan gs://bucket/films --model favor-13b --quantization int4 --workers 2
      favor plan films --prices prices.csv --machine big-gpu --json
    """
    from favor.errors import FavorError
    from favor.io.stores import store_errors

    try:
        price = _price(**{name: options.pop(name) for name in ("price_per_hour", "currency", "prices", "machine")})
        survey = _survey(options)
        if not as_json:
            click.echo(str(survey))
        prediction = _predict(survey, options, price) if calibrate and survey.totals["windows"] else None
    except store_errors(FavorError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException("interrupted") from None
    if as_json:
        told = {"corpus": survey.to_dict(), "prediction": prediction.to_dict() if prediction else None}
        click.echo(json.dumps(told, indent=2))
    elif prediction:
        click.echo(str(prediction))


plan_command.params = [option for option in plan_command.params if option.name not in RUN_ONLY]


def _price(price_per_hour: float | None, currency: str, prices: str | None, machine: str | None) -> Price | None:
    from pipeline.planning.forecast import Price, read_price

    if (prices is None) != (machine is None) or (prices and price_per_hour is not None):
        raise click.UsageError("give either --price-per-hour, or --prices with --machine")
    if prices and machine:
        return read_price(prices, machine)
    return None if price_per_hour is None else Price(price_per_hour, currency)


def _survey(options: dict[str, Any]) -> Survey:
    """Lists and probes; neither the model nor torch is needed for it."""
    from favor.media.sampling import Sampling
    from pipeline.inputs import corpus_labels
    from pipeline.planning.survey import survey
    from transforms.elements import WHOLE_CORPUS, Identity
    from transforms.history import History
    from transforms.listing import ListCorpus
    from transforms.planning import PlanSegments

    sampling = Sampling(0, "", round(options["window_seconds"] * 1000), options["audio_track"], options["split"])
    planner = PlanSegments((caption_question(),), Identity("", "", "", "", ""), sampling, WHOLE_CORPUS, History)
    lister = ListCorpus(WHOLE_CORPUS, selection(dict(options)), corpus_labels(options["corpus"])[0])
    with tqdm(unit=" files", disable=None) as bar:
        return survey(options["corpus"], lister, planner, options["seed"], lambda _: bar.update())


def _predict(found: Survey, options: dict[str, Any], price: Price | None) -> Prediction:
    from favor.models.placement import choose_device
    from pipeline.planning.calibrate import calibrate, computed_bytes
    from pipeline.planning.forecast import Prediction, RunShape, forecast

    run = make_options([caption_question()], output="", **options)
    costs = calibrate([_asked(segment, run) for segment in found.segments], run, options["seed"])
    device = choose_device(run.device)
    shape = RunShape(found.totals["windows"], run.batch_size, run.workers, os.cpu_count() or 1, device.type != "cpu")
    predicted = forecast(costs, shape, found.probe_seconds)
    return Prediction(run.identity.model, str(device), costs, shape, predicted, computed_bytes(run), price)


def _asked(segment: Segment, run: RunOptions) -> Segment:
    """Puts the questions of the run to the windows of a segment."""
    questions = tuple(question for question in run.questions if question.about(segment.media))
    return dataclasses.replace(segment, jobs=tuple(dataclasses.replace(j, questions=questions) for j in segment.jobs))
