"""FAVOR behind Beam's ``RunInference``: decoded windows and their questions become answers."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from apache_beam.ml.inference.base import ModelHandler

from favor import Answer, FavorModel, GenerationOptions
from transforms.records import Answered, Identity, Question, Result, Window

NO_AUDIO = "no_audio"  # why a window without sound has an empty transcript


class FavorModelHandler(ModelHandler[Window, Answered, FavorModel]):
    """Answers the questions about windows with one model per process, in batches of windows of several files.

    The encoders run once per window, however many questions there are. A window without sound is not transcribed: its
    answer is empty and its finish reason ``no_audio``.

    Args:
        identity: names the model and makes the ids of the rows.
        options: how text is generated.
        batch_size: windows per batch of the encoders, and answers per batch of the language model.
        device: ``auto``, ``cpu``, ``cuda`` or any other torch device.
        dtype: ``auto`` or the name of a torch dtype.
    """

    def __init__(
        self,
        identity: Identity,
        options: GenerationOptions,
        batch_size: int,
        device: str = "auto",
        dtype: str = "auto",
    ) -> None:
        # Beam's dynamic batching grows without bound where sizes are not pinned.
        super().__init__(min_batch_size=batch_size, max_batch_size=batch_size)
        self._identity = identity
        self._options = options
        self._batch_size = batch_size
        self._device = device
        self._dtype = dtype

    def load_model(self) -> FavorModel:
        """Loads the model; Beam calls this once per process and shares it between threads."""
        return FavorModel.from_pretrained(self._identity.model, device=self._device, dtype=self._dtype)

    def run_inference(
        self, batch: Sequence[Window], model: FavorModel, inference_args: dict[str, Any] | None = None
    ) -> Iterator[Answered]:
        """Yields every window of the batch with the rows of its answers, in order."""
        answers = self._answers(batch, model)
        now = datetime.datetime.now(datetime.UTC)
        for window in batch:
            rows = [(q.table, self._row(window, q, next(answers), now)) for q in window.job.questions]
            yield Answered(window.job.key.end_ms - window.job.key.start_ms, tuple(rows))

    def _answers(self, batch: Sequence[Window], model: FavorModel) -> Iterator[Answer | None]:
        """Yields the answers to all questions, window by window; None where there is no sound to transcribe."""
        asked = [(window, question) for window in batch for question in window.job.questions]
        answerable = [window for window in batch if any(_answerable(window, q) for q in window.job.questions)]
        features = dict(zip(map(id, answerable), model.encode([window.clip for window in answerable]), strict=True))
        pairs = [(features[id(window)], question.text) for window, question in asked if _answerable(window, question)]
        generated: list[Answer] = []
        for start in range(0, len(pairs), self._batch_size):
            clips, texts = zip(*pairs[start : start + self._batch_size], strict=True)
            generated += model.answer(clips, texts, self._options)
        answers = iter(generated)
        return (next(answers) if _answerable(window, question) else None for window, question in asked)

    def _row(self, window: Window, question: Question, answer: Answer | None, now: datetime.datetime) -> Result:
        key = window.job.key
        window_id = self._identity.window_id(key)
        return Result(
            result_id=self._identity.result_id(window_id, question),
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
            model=self._identity.model,
            model_revision=self._identity.model_revision,
            created_at=now,
        )

    def get_num_bytes(self, batch: Sequence[Window]) -> int:
        """Returns the size of the frames and samples of a batch, without pickling them to find out."""
        return sum(window.clip.nbytes for window in batch)

    def get_metrics_namespace(self) -> str:
        """Returns the namespace of the metrics that ``RunInference`` keeps."""
        return "favor"


def _answerable(window: Window, question: Question) -> bool:
    return window.clip.audio is not None or not question.needs_audio
