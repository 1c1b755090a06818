"""The Beam graph: corpus -> probe -> segments -> Reshuffle -> one fused stage from decoding to the journal."""

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from pipeline.options import LOCAL_RUNNER, CorpusOptions, ExecutionOptions, ModelOptions
from pipeline.output.journal import Journal
from pipeline.output.record import RecordAnswers, RecordFailures, RecordMedia
from transforms.corpus import ListCorpus, PlanSegments
from transforms.decode import DecodeWindows
from transforms.generate import ClipModelHandler, Route
from transforms.rows import FAILURES, MEDIA
from transforms.runtime import Runtime

BATCHES_AHEAD = 1  # decoded while the model processes the current batch


def build_graph(
    pipeline: beam.Pipeline,
    corpus: CorpusOptions,
    model: ModelOptions,
    execution: ExecutionOptions,
    journal: Journal,
    runtime: Runtime,
) -> None:
    """Adds all steps of a run to a pipeline.

    Nothing larger than a URI, a span or a row crosses a shuffle: frames, samples and features stay in the last stage.

    Args:
        pipeline: an empty pipeline.
        corpus: what is read, and what is asked about it.
        model: which model answers, and how.
        execution: how the work is executed.
        journal: receives the rows.
        runtime: what the run's steps share.
    """
    identity = model.identity(corpus.windowing)
    plan = PlanSegments(corpus.questions, identity, execution.shard, journal.history, runtime)
    decode = DecodeWindows(identity, BATCHES_AHEAD * execution.batch_size, runtime)
    handler = ClipModelHandler(
        identity, model.placement, model.generation, execution.batch_size, frozenset(execution.suspects), runtime
    )
    spread = not (corpus.streamed and execution.runner == LOCAL_RUNNER)

    lister = ListCorpus(execution.shard, runtime, corpus.selection, corpus.labels, journal.history)
    listed = (
        pipeline
        | "Corpus" >> beam.Create([corpus.patterns])
        | "List" >> beam.ParDo(lister).with_outputs(FAILURES, main="files")
    )
    planned = dealt(listed.files, "SpreadFiles", spread) | "PlanSegments" >> beam.ParDo(plan).with_outputs(
        FAILURES, MEDIA, main="segments"
    )
    decoded = dealt(planned.segments, "SpreadSegments", spread) | "Decode" >> beam.ParDo(decode).with_outputs(
        FAILURES, main="windows"
    )
    generated = (
        decoded.windows
        | "Generate" >> RunInference(handler)
        | "Route" >> beam.ParDo(Route(runtime)).with_outputs(FAILURES, main="answered")
    )

    generated.answered | "RecordAnswers" >> beam.ParDo(RecordAnswers(journal, runtime))
    planned[MEDIA] | "RecordMedia" >> beam.ParDo(RecordMedia(journal, runtime))
    for stage, outputs in (("List", listed), ("PlanSegments", planned), ("Decode", decoded), ("Generate", generated)):
        outputs[FAILURES] | f"Record{stage}Failures" >> beam.ParDo(RecordFailures(journal, runtime))


def dealt(elements: beam.PCollection, name: str, spread: bool) -> beam.PCollection:
    """Redistributes elements to all workers if ``spread``.

    In a run in this process, it makes the number of elements known before they are processed. All of them are then in
    memory, so a corpus that is streamed in this process is not redistributed.
    """
    return elements | name >> beam.Reshuffle() if spread else elements
