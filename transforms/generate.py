"""Running a clip model in Beam's ``RunInference`` to answer the questions about decoded windows."""

import dataclasses
import datetime
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from favor.errors import MediaError
from favor.models.base import Answer, ClipModel, Encoded, GenerationOptions, Prompt
from favor.models.placement import Placement
from favor.models.registry import open_model
from transforms.elements import Answered, Identity, Question, Window
from transforms.failures import failure
from transforms.halving import Failed, Halving
from transforms.metrics import Tally, timed
from transforms.model_errors import ModelFault, attempt
from transforms.rows import FAILURES, Failure, Result
from transforms.runtime import Runtime

FRAME_SHARES = (2, 4)  # if a single window does not fit in memory, every second frame is tried, then every fourth
NO_AUDIO = "no_audio"  # the finish reason of the empty transcript of a window without sound


class ClipModelHandler(ModelHandler[Window, Answered | Failure, ClipModel]):
    """Answers questions about windows with one model per process, in batches of windows from several files.

    The encoders run once per window, however many questions there are. A window without sound is not transcribed: its
    answer is empty and its finish reason ``no_audio``. A batch that fails is halved until the culprit is isolated;
    after an out-of-memory error, later batches are no larger than what fitted, unless a single window was too large.

    Args:
        identity: names the model and determines the ids of the rows.
        placement: where the model computes, and in which precision.
        options: how text is generated.
        batch_size: windows per batch of the encoders, and answers per batch of the language model.
        suspects: the ids of windows suspected of killing their process; each gets a batch of its own.
        runtime: what the run's steps share; by default, a new one for this step alone.
    """

    def __init__(
        self,
        identity: Identity,
        placement: Placement,
        options: GenerationOptions,
        batch_size: int,
        suspects: frozenset[str] = frozenset(),
        runtime: Runtime | None = None,
    ) -> None:
        # Beam's dynamic batches grow without bound unless their size is fixed.
        super().__init__(min_batch_size=batch_size, max_batch_size=batch_size)
        self._identity = identity
        self._placement = placement
        self._options = options
        self._batch_size = batch_size
        self._largest_batch = batch_size  # shrinks permanently when a batch of ordinary windows does not fit in memory
        self._loading = Tally()  # added to the run's tally later: Beam counts nothing during setup
        self._suspects = suspects
        self._runtime = runtime or Runtime()

    def load_model(self) -> ClipModel:
        """Loads the model; Beam calls this once per process and shares it between threads."""
        with timed("load", self._loading.add):
            return open_model(self._identity.model, self._placement)

    def run_inference(
        self, batch: Sequence[Window], model: ClipModel, inference_args: dict[str, Any] | None = None
    ) -> Iterator[Answered | Failure]:
        """Returns, for each window of the batch in order, the rows of its answers or its failure.

        Raises:
            BrokenModelError: if the model, not a window, is at fault.
        """
        self._loading.drain_into(self._runtime.tally)
        outcomes: list[Answered | Failure] = []
        for suspected, windows in itertools.groupby(batch, lambda window: self._window_id(window) in self._suspects):
            halving: Halving[Window, Answered] = Halving(
                lambda windows: self._answered(windows, model), 1 if suspected else self._largest_batch
            )
            for outcome in halving(list(windows)):
                if not suspected:
                    self._largest_batch = halving.limit
                outcomes.append(self._retry_or_fail(outcome, model) if isinstance(outcome, Failed) else outcome)
        self._runtime.model_watch.check()
        return iter(outcomes)

    def _retry_or_fail(self, failed: Failed[Window], model: ClipModel) -> Answered | Failure:
        """Retries a window that ran out of memory with fewer frames; returns the failure if nothing helps."""
        window, fault = failed.item, failed.fault
        for share in FRAME_SHARES if fault.is_out_of_memory else ():
            done = attempt(functools.partial(self._answered, [thinned(window, share)], model))
            if not isinstance(done, ModelFault):
                return done[0]
            fault = done
        self._runtime.model_watch.note_failure(window.media.uri, fault)
        tried = f"one window at a time and every {FRAME_SHARES[-1]}th frame: " if fault.is_out_of_memory else ""
        error = MediaError(fault.code, f"{tried}{fault.message}")
        return failure(error, "generate", window.media, window.job.key, self._window_id(window))

    def _answered(self, batch: Sequence[Window], model: ClipModel) -> list[Answered]:
        with self._runtime.in_flight.batch(batch, self._identity):
            answers = self._answers(batch, model)
        now = datetime.datetime.now(datetime.UTC)
        return [
            Answered(
                window.job.key.duration_ms,
                tuple((q.table, self._row(window, q, next(answers), now)) for q in window.job.questions),
            )
            for window in batch
        ]

    def _answers(self, batch: Sequence[Window], model: ClipModel) -> Iterator[Answer | None]:
        """Yields the answers to all questions, window by window; None if there is no sound to transcribe."""
        asked = [(window, question) for window in batch for question in window.job.questions]
        answerable = [window for window in batch if any(_answerable(window, q) for q in window.job.questions)]
        encoded = self._encoded(answerable, model)
        pairs = [
            (encoded[id(window)], Prompt(question.text)) for window, question in asked if _answerable(window, question)
        ]
        generated: list[Answer] = []
        for start in range(0, len(pairs), self._batch_size):
            clips, prompts = zip(*pairs[start : start + self._batch_size], strict=True)
            with timed("generate", self._runtime.tally.add):
                part = model.answer(clips, prompts, self._options)
            self._check_count("answers to", part, "prompts", prompts)
            generated += part
        if generated:
            self._runtime.model_watch.note_answer()
        answers = iter(generated)
        return (next(answers) if _answerable(window, question) else None for window, question in asked)

    def _encoded(self, windows: Sequence[Window], model: ClipModel) -> dict[int, Encoded]:
        """Returns the encodings of windows by the ``id`` of the window."""
        if not windows:
            return {}
        with timed("encode", self._runtime.tally.add):
            encodings = model.encode([window.clip for window in windows])
        self._check_count("encodings of", encodings, "clips", windows)
        return dict(zip(map(id, windows), encodings, strict=True))

    def _check_count(self, made: str, outputs: Sequence[Any], given: str, inputs: Sequence[Any]) -> None:
        """Checks that the model has returned one output for each input.

        Raises:
            ValueError: if it has not.
        """
        if len(outputs) != len(inputs):
            raise ValueError(f"{self._identity.model} returned {len(outputs)} {made} {len(inputs)} {given}")

    def _row(self, window: Window, question: Question, answer: Answer | None, now: datetime.datetime) -> Result:
        key = window.job.key
        window_id = self._window_id(window)
        return Result(
            result_id=self._identity.result_id(window_id, question, window.media.entry),
            window_id=window_id,
            media_id=key.media_id,
            uri=window.media.uri,
            start_ms=key.start_ms,
            end_ms=key.end_ms,
            question_id=question.question_id,
            prompt=question.text,
            text=answer.text if answer else "",
            tokens=len(answer.token_ids) if answer else 0,
            finish_reason=answer.finish_reason if answer else NO_AUDIO,
            mean_logprob=answer.mean_logprob if answer else None,
            has_audio=window.clip.audio is not None,
            has_video=window.clip.frames is not None,
            frames=0 if window.clip.frames is None else len(window.clip.frames),
            model=self._identity.model,
            model_revision=self._identity.model_revision,
            created_at=now,
            entry_id=window.media.entry.entry_id,
            labels=window.media.entry.labels,
        )

    def _window_id(self, window: Window) -> str:
        return self._identity.window_id(window.job.key)

    def get_num_bytes(self, batch: Sequence[Window]) -> int:
        """Returns the size in bytes of the frames and samples of a batch, without pickling them."""
        return sum(window.clip.nbytes for window in batch)

    def get_metrics_namespace(self) -> str:
        """Returns the namespace of the metrics of ``RunInference``."""
        return "favor"


def thinned(window: Window, share: int) -> Window:
    """Returns a window that keeps every ``share``-th frame, at its original time."""
    clip = window.clip
    if clip.frames is None or clip.frame_times is None:
        return window
    fewer = dataclasses.replace(clip, frames=clip.frames[::share], frame_times=clip.frame_times[::share])
    return dataclasses.replace(window, clip=fewer)


@dataclasses.dataclass
class Route(beam.DoFn):
    """Sends failures to a separate output.

    Failures are held back until the model has answered something, or the bundle ends. If the model never answers, the
    run stops before they are recorded, so the same command processes these windows when it is run again.

    Attributes:
        runtime: what the run's steps share.
    """

    runtime: Runtime

    def start_bundle(self) -> None:
        """Starts with no failures held back."""
        self._waiting: list[TaggedOutput] = []

    def process(self, outcome: Answered | Failure) -> Iterator[Any]:
        """Yields answered windows, and failures that need not be held back."""
        if isinstance(outcome, Failure):
            self._waiting.append(TaggedOutput(FAILURES, outcome))
        else:
            yield outcome
        if self.runtime.model_watch.has_answered:
            yield from self._waiting
            self._waiting.clear()

    def finish_bundle(self) -> Iterator[TaggedOutput]:
        """Yields the failures that are still held back."""
        for output in self._waiting:
            yield TaggedOutput(output.tag, GlobalWindows.windowed_value(output.value))


def _answerable(window: Window, question: Question) -> bool:
    return window.clip.audio is not None or not question.needs_audio
