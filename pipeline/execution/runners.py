"""The ways to run the graph: in this process, in several processes on this machine, or on any other Beam runner."""

import collections
import contextlib
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
from pipeline.options import LOCAL_RUNNER, CorpusOptions, ExecutionOptions, ModelOptions, RunOptions
from pipeline.output.journal import Journal
from transforms.counts import Counts
from transforms.runtime import NAMESPACE, Runtime


class Run(Protocol):
    """A run of the graph."""

    def execute(self) -> None:
        """Runs to completion."""

    def counts(self) -> Counts:
        """Returns the counts so far; may be called from another thread."""


class LocalRun:
    """A run in this process, on Beam's in-memory runner.

    Beam's ``DirectRunner`` chooses an engine by what the graph contains, and may try to download one; this class always
    uses the same engine.

    Args:
        corpus: what is read, and what is asked about it.
        model: which model answers, and how.
        execution: how the work is executed.
        journal: receives the rows.
        runtime: what the steps share; closed when the run ends.
    """

    def __init__(
        self,
        corpus: CorpusOptions,
        model: ModelOptions,
        execution: ExecutionOptions,
        journal: Journal,
        runtime: Runtime,
    ) -> None:
        self._runtime = runtime
        self._pipeline = beam.Pipeline(FnApiRunner(), beam_options(execution))
        build_graph(self._pipeline, corpus, model, execution, journal, runtime)
        self._result: PipelineResult | None = None

    def execute(self) -> None:
        """Runs to completion."""
        with contextlib.closing(self._runtime):
            self._run()

    def _run(self) -> None:
        try:
            self._result = self._pipeline.run()
        except (RuntimeError, FavorError) as error:
            origin = error.__context__  # Beam replaces it by an exception that names the step, or a RuntimeError
            kinds: tuple[type[BaseException], ...] = (KeyboardInterrupt, *store_errors(FavorError))
            if origin and hasattr(error, "_tagged_with_step") and isinstance(origin, kinds):
                raise origin from error
            raise

    def counts(self) -> Counts:
        """Returns the run's tally, or Beam's counters once the run is over."""
        return Counts(self._runtime.tally.snapshot()) if self._result is None else beam_counts(self._result)


class RemoteRun:
    """A run on any other Beam runner, such as Dataflow.

    Args:
        corpus: what is read, and what is asked about it.
        model: which model answers, and how.
        execution: how the work is executed, and on which runner.
        journal: receives the rows.

    Raises:
        FavorError: if there is no such runner, or it has no such option.
    """

    def __init__(
        self, corpus: CorpusOptions, model: ModelOptions, execution: ExecutionOptions, journal: Journal
    ) -> None:
        try:
            runner = create_runner(execution.runner)
        except (ValueError, ImportError) as error:
            raise FavorError(f"cannot use the runner {execution.runner}: {error}") from error
        self._pipeline = beam.Pipeline(runner, beam_options(execution))
        build_graph(self._pipeline, corpus, model, execution, journal, Runtime())
        self._result: PipelineResult | None = None

    def execute(self) -> None:
        """Runs to completion.

        Raises:
            FavorError: if the runner ends in a state other than ``DONE``.
        """
        self._result = self._pipeline.run()
        state = self._result.wait_until_finish()
        if state not in (None, "DONE"):
            raise FavorError(
                f"the runner ended in state {state}; its log says why. Run again to go on where it stopped"
            )

    def counts(self) -> Counts:
        """Returns the Beam counters that the runner has reported."""
        return Counts() if self._result is None else beam_counts(self._result)


def beam_options(execution: ExecutionOptions) -> PipelineOptions:
    """Returns the options of Beam itself.

    Raises:
        FavorError: if Beam does not know one of them; Beam itself would only log a warning.
    """
    made = PipelineOptions([f"--runner={execution.runner}", *execution.beam_options])
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
    return Counts(dict(totals))


def make_run(options: RunOptions, journal: Journal) -> Run:
    """Returns the run that the execution options ask for."""
    parts = options.corpus, options.model, options.execution
    if options.execution.runner != LOCAL_RUNNER:
        return RemoteRun(*parts, journal)
    if options.execution.workers > 1:
        return WorkersRun(options, journal)
    return LocalRun(*parts, journal, Runtime())
