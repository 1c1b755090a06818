"""The graph: corpus -> probe -> segments -> Reshuffle -> one fused stage from decoding to the journal."""

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from pipeline.options import LOCAL_RUNNER, RunOptions
from pipeline.output.journal import Journal
from pipeline.output.record import RecordAnswers, RecordFailures, RecordMedia
from transforms.decode import DecodeWindows
from transforms.generate import ClipModelHandler, route
from transforms.listing import ListCorpus
from transforms.planning import PlanSegments
from transforms.rows import FAILURES, MEDIA

BATCHES_AHEAD = 1  # decoded while the model works on the batch before them


def build_graph(pipeline: beam.Pipeline, options: RunOptions, journal: Journal) -> None:
    """Adds the whole run to a pipeline.

    Nothing larger than a URI, a span or a row crosses a shuffle: frames, samples and features stay in the last stage.

    Args:
        pipeline: an empty pipeline.
        options: what is to be done.
        journal: where the rows go.
    """
    plan = PlanSegments(options.questions, options.identity, options.sampling, options.shard, journal.history)
    decode = DecodeWindows(options.identity, options.sampling, BATCHES_AHEAD * options.batch_size)
    handler = ClipModelHandler(
        options.identity,
        options.generation,
        options.batch_size,
        options.device,
        options.dtype,
        options.quantization,
        frozenset(options.suspects),
    )

    lister = ListCorpus(options.shard, options.selection, options.labels, journal.history)
    listed = (
        pipeline
        | "Corpus" >> beam.Create([options.corpus])
        | "List" >> beam.ParDo(lister).with_outputs(FAILURES, main="files")
    )
    planned = spread(listed.files, "SpreadFiles", options) | "PlanSegments" >> beam.ParDo(plan).with_outputs(
        FAILURES, MEDIA, main="segments"
    )
    decoded = spread(planned.segments, "SpreadSegments", options) | "Decode" >> beam.ParDo(decode).with_outputs(
        FAILURES, main="windows"
    )
    generated = (
        decoded.windows
        | "Generate" >> RunInference(handler)
        | "Route" >> beam.ParDo(route).with_outputs(FAILURES, main="answered")
    )

    generated.answered | "RecordAnswers" >> beam.ParDo(RecordAnswers(journal))
    planned[MEDIA] | "RecordMedia" >> beam.ParDo(RecordMedia(journal))
    for stage, outputs in (("List", listed), ("PlanSegments", planned), ("Decode", decoded), ("Generate", generated)):
        outputs[FAILURES] | f"Record{stage}Failures" >> beam.ParDo(RecordFailures(journal))


def spread(elements: beam.PCollection, name: str, options: RunOptions) -> beam.PCollection:
    """Deals elements out to all workers; in this process, to know how many there are before the work on them begins.

    All of them lie in memory then, so a corpus that is streamed goes without.
    """
    if options.streamed and options.runner == LOCAL_RUNNER:
        return elements
    return elements | name >> beam.Reshuffle()
