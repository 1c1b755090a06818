"""The ways to run the graph: in this process, in several processes of this machine, on any other Beam runner."""

import collections
from typing import Protocol

import apache_beam as beam
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult, create_runner

from favor.errors import FavorError
from favor.io.stores import store_errors
from pipeline.execution.supervisor import WorkersRun
from pipeline.graph import build_graph
from pipeline.options import LOCAL_RUNNER, RunOptions
from pipeline.output.journal import Journal
from transforms.counts import Counts
from transforms.metrics import NAMESPACE, TALLY


class Run(Protocol):
    """A run of the graph."""

    def execute(self) -> None:
        """Runs to the end."""

    def counts(self) -> Counts:
        """Returns what has been counted up to now; may be called from another thread."""


class LocalRun:
    """A run in this process, on Beam's in-memory runner.

    Beam's ``DirectRunner`` chooses between engines by what the graph holds, and may try to download one of them; here
    it is always the same engine.
    """

    def __init__(self, options: RunOptions, journal: Journal) -> None:
        TALLY.drain()
        self._pipeline = beam.Pipeline(FnApiRunner(), beam_options(options))
        build_graph(self._pipeline, options, journal)
        self._result: PipelineResult | None = None

    def execute(self) -> None:
        """Runs to the end."""
        try:
            self._result = self._pipeline.run()
        except RuntimeError as error:  # what Beam makes of exceptions to which it cannot add the name of a step
            if error.__context__ and isinstance(error.__context__, (KeyboardInterrupt, *store_errors())):
                raise error.__context__ from error
            raise

    def counts(self) -> Counts:
        """Returns this process's tally, and what Beam has counted as soon as it tells."""
        return TALLY.snapshot() if self._result is None else beam_counts(self._result)


class RemoteRun:
    """A run on any other Beam runner, Dataflow for example."""

    def __init__(self, options: RunOptions, journal: Journal) -> None:
        try:
            runner = create_runner(options.runner)
        except (ValueError, ImportError) as error:
            raise FavorError(f"cannot use the runner {options.runner}: {error}") from error
        self._pipeline = beam.Pipeline(runner, beam_options(options))
        build_graph(self._pipeline, options, journal)
        self._result: PipelineResult | None = None

    def execute(self) -> None:
        """Runs to the end."""
        self._result = self._pipeline.run()
        state = self._result.wait_until_finish()
        if state not in (None, "DONE"):
            raise FavorError(
                f"the runner ended in state {state}; its log says why. Run again to go on where it stopped"
            )

    def counts(self) -> Counts:
        """Returns the counters of Beam that the runner has reported."""
        return {} if self._result is None else beam_counts(self._result)


def beam_options(options: RunOptions) -> PipelineOptions:
    """Returns Beam's own options.

    Raises:
        FavorError: if Beam does not know one of them; it would only warn, deep in its log.
    """
    made = PipelineOptions([f"--runner={options.runner}", *options.beam_options])
    unknown = set(made.get_all_options(retain_unknown_options=True)) - set(made.get_all_options())
    if unknown:
        raise FavorError(f"Beam has no option --{min(unknown)}; see https://beam.apache.org/documentation/runners")
    return made


def beam_counts(result: PipelineResult) -> Counts:
    """Returns the counters that the runner has reported."""
    counters = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    totals: collections.Counter[str] = collections.Counter()
    for counter in counters:
        totals[counter.key.metric.name] += counter.result or 0
    return dict(totals)


def make_run(options: RunOptions, journal: Journal) -> Run:
    """Chooses how to run."""
    if options.runner != LOCAL_RUNNER:
        return RemoteRun(options, journal)
    return LocalRun(options, journal) if options.workers == 1 else WorkersRun(options, journal)
