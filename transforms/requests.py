"""For pipelines of your own: questions about files or clips go in, answers and failures come out."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.pvalue import TaggedOutput

from favor.errors import MediaError
from favor.media.clip import Clip
from favor.media.corpus.files import Entry, MediaFile, NamedFile, WindowKey
from favor.media.corpus.listing import absolute_uri
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from favor.models.placement import Placement
from favor.models.registry import describe
from transforms.decode import decode_segment
from transforms.elements import WHOLE_CORPUS, Identity, Job, Question, Segment, Window, check_sound, identify
from transforms.failures import captured, unlisted
from transforms.generate import ClipModelHandler
from transforms.history import History
from transforms.planning import Planner
from transforms.rows import ANSWERS, FAILURES, Failure
from transforms.runtime import Runtime

Keyed = tuple[Any, Any]


class Request(NamedTuple):
    """A question about a media file, a span of it, or a clip; a tuple ``(key, media, question)`` is accepted too.

    Attributes:
        key: returned with each answer; the ids of answers about a clip are derived from it and the clip.
        media: a local path or any fsspec URL; or a clip that meets the needs of the model's card.
        question: the question asked about each of its windows, word for word.
        start_ms: start of the span of a file.
        end_ms: end of the span, after its start; None for the end of the file.
    """

    key: Any
    media: str | Clip
    question: str
    start_ms: int = 0
    end_ms: int | None = None


class AnswerRequests(beam.PTransform):
    """Answers requests with one model per process, in batches that may mix files.

    Files are cut into windows, so that memory does not grow with their length; each window gets an answer. The outputs
    are ``answers``, pairs of a request's key and a `transforms.rows.Result`, and ``failures``, pairs of a key and a
    `transforms.rows.Failure`.

    Requests that fail by themselves do not stop the pipeline. A model that fails on everything does, as it would stop a
    command, of which the message of the `transforms.model_errors.BrokenModelError` speaks: if windows of three files or
    clips fail in the same way before any is answered, or if the device can no longer be used. So does any exception
    that is a mistake in the model's code, such as a ``TypeError``.

    Args:
        model: a packaged name, a model folder, or the name of an entry point.
        generation: how text is generated; by default greedy, with at most 128 tokens.
        placement: where the model computes, and in which precision.
        windowing: how files are cut into windows; 30 s each by default.
        batch_size: windows per batch.

    Raises:
        FavorError: if there is no such model, or it cannot hear the whole of a window.
    """

    def __init__(
        self,
        model: str = "favor-mini",
        generation: GenerationOptions | None = None,
        placement: Placement | None = None,
        windowing: Windowing | None = None,
        batch_size: int = 8,
    ) -> None:
        super().__init__()
        self._placement = placement or Placement()
        self._generation = generation or GenerationOptions(max_new_tokens=128)
        card, cut = describe(model), windowing or Windowing()
        check_sound(card, cut)
        self._identity = identify(card, self._placement, cut, self._generation)
        self._batch_size = batch_size

    def expand(self, requests: beam.PCollection) -> Any:
        """Returns ``answers`` and ``failures`` by name."""
        runtime = Runtime()
        handler = ClipModelHandler(self._identity, self._placement, self._generation, self._batch_size, runtime=runtime)
        decoded = requests | "Decode" >> beam.ParDo(DecodeRequests(self._identity, runtime)).with_outputs(
            FAILURES, main="windows"
        )
        answered = (
            decoded.windows
            | "Generate" >> RunInference(KeyedModelHandler(handler))
            | "Route" >> beam.FlatMap(rows_of).with_outputs(FAILURES, main="answers")
        )
        failures = (decoded[FAILURES], answered[FAILURES]) | beam.Flatten()
        return {"answers": answered.answers, "failures": failures}


@dataclasses.dataclass
class DecodeRequests(beam.DoFn):
    """Turns requests into pairs of a key and a window; what cannot be decoded becomes a failure.

    Attributes:
        identity: how files are cut, and which frames and sound of a window the model is given.
        runtime: what the step shares with that of the model.
    """

    identity: Identity
    runtime: Runtime

    def process(self, element: Request | tuple[Any, ...]) -> Iterator[Any]:
        """Yields the windows of a file, or a single window for a clip."""
        request = Request(*element)
        question = Question(ANSWERS, "request", request.question, literal=True)
        found = (
            [window_of(request.key, request.media, question)]
            if isinstance(request.media, Clip)
            else self._windows(absolute_uri(request.media), Entry(request.start_ms, request.end_ms), question)
        )
        for outcome in found:
            pair = (request.key, outcome)
            yield TaggedOutput(FAILURES, pair) if isinstance(outcome, Failure) else pair

    def _windows(self, uri: str, entry: Entry, question: Question) -> Iterator[Window | Failure]:
        with captured("probe", unlisted(uri, entry)) as failures:
            _check_span(uri, entry)
        if failures:
            yield from failures
            return
        planner = Planner((question,), self.identity, WHOLE_CORPUS, History(), self.runtime.decoder, self.runtime.tally)
        for item in planner.plan(NamedFile(uri, entry, uri)):
            if isinstance(item, Failure):
                yield item
            elif isinstance(item, Segment):
                yield from decode_segment(item, self.identity, self.runtime.decoder)


def window_of(key: Any, clip: Clip, question: Question) -> Window:
    """Returns the window that consists of a clip."""
    media = MediaFile(f"the clip of {key!r}", clip.nbytes, _content(clip))
    return Window(media, Job(WindowKey(media.media_id, 0, round(clip.seconds * 1000)), (question,)), clip)


def rows_of(outcome: Keyed) -> Iterator[Any]:
    """Yields the rows of an answered window with the request's key, or its failure in a separate output."""
    key, answered = outcome
    if isinstance(answered, Failure):
        yield TaggedOutput(FAILURES, outcome)
    else:
        yield from ((key, row) for _, row in answered.rows)


def _content(clip: Clip) -> str:
    """Returns a digest of what a clip shows and sounds like, and when."""
    content = hashlib.blake2b(f"{clip.sample_rate} {clip.audio_start} {clip.still}".encode(), digest_size=16)
    for array in (clip.frames, clip.frame_times, clip.audio):
        if array is not None:
            content.update(str(array.shape).encode())
            content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()


def _check_span(uri: str, span: Entry) -> None:
    if span.start_ms < 0 or (span.end_ms is not None and span.end_ms <= span.start_ms):
        what = f"got start_ms {span.start_ms} and end_ms {span.end_ms}"
        raise MediaError("outside", f"{uri}: a span must not start before 0 and must end after its start; {what}")
