"""The graph: corpus -> probe -> segments -> Reshuffle -> one fused stage from decoding to the journal."""

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from pipeline.journal import Journal, RecordAnswers, RecordFailures, RecordMedia
from pipeline.options import RunOptions
from transforms.corpus import MEDIA, ListCorpus, Plan
from transforms.decode import DecodeWindows
from transforms.failures import FAILURES
from transforms.generate import FavorModelHandler, route

BATCHES_AHEAD = 1  # decoded while the model works on the batch before them


def build_graph(pipeline: beam.Pipeline, options: RunOptions, journal: Journal) -> None:
    """Adds the whole run to a pipeline.

    Nothing larger than a URI, a span or a row crosses a shuffle: frames, samples and features stay in the last stage.

    Args:
        pipeline: an empty pipeline.
        options: what is to be done.
        journal: where the rows go.
    """
    plan = Plan(options.questions, options.identity, options.sampling, options.shard, journal.done)
    decode = DecodeWindows(options.identity, options.sampling, BATCHES_AHEAD * options.batch_size)
    handler = FavorModelHandler(
        options.identity, options.generation, options.batch_size, options.device, options.dtype, options.quantization
    )

    listed = (
        pipeline
        | "Corpus" >> beam.Create([options.corpus])
        | "List" >> beam.ParDo(ListCorpus(options.shard)).with_outputs(FAILURES, main="files")
    )
    planned = (
        listed.files
        | "SpreadFiles" >> beam.Reshuffle()
        | "Plan" >> beam.ParDo(plan).with_outputs(FAILURES, MEDIA, main="segments")
    )
    decoded = (
        planned.segments
        | "SpreadSegments" >> beam.Reshuffle()
        | "Decode" >> beam.ParDo(decode).with_outputs(FAILURES, main="windows")
    )
    generated = (
        decoded.windows
        | "Generate" >> RunInference(handler)
        | "Route" >> beam.ParDo(route).with_outputs(FAILURES, main="answered")
    )

    generated.answered | "RecordAnswers" >> beam.ParDo(RecordAnswers(journal))
    planned[MEDIA] | "RecordMedia" >> beam.ParDo(RecordMedia(journal))
    for stage, outputs in (("List", listed), ("Plan", planned), ("Decode", decoded), ("Generate", generated)):
        outputs[FAILURES] | f"Record{stage}Failures" >> beam.ParDo(RecordFailures(journal))
