"""What is written: the rows of the tables, and the tables' names."""

import dataclasses
import datetime

from favor.media.corpus.files import Labels

MEDIA, FAILURES = "media", "failures"
RESOLVED = "resolved"  # the code of a failure that a later attempt has mended
CAPTIONS, ANSWERS, TRANSCRIPTS = RESULT_TABLES = ("captions", "answers", "transcripts")

FailureKey = tuple[str, str | None, int | None, int | None]  # uri, entry_id, start_ms, end_ms


@dataclasses.dataclass(frozen=True)
class Result:
    """One answer: a row of ``captions``, ``answers`` or ``transcripts``.

    Attributes:
        frames: how many the model saw; fewer than the window has where memory ran out.
        entry_id: tells entries of a manifest apart that name the same file; None without one, as in every table.
        labels: further columns, from the manifest, as in every table.
    """

    result_id: str
    window_id: str
    media_id: str
    uri: str
    start_ms: int
    end_ms: int
    question_id: str
    prompt: str
    text: str
    tokens: int
    finish_reason: str
    mean_logprob: float | None
    has_audio: bool
    has_video: bool
    model: str
    model_revision: str
    created_at: datetime.datetime
    frames: int | None = None
    entry_id: str | None = None
    labels: Labels = ()


@dataclasses.dataclass(frozen=True)
class MediaRow:
    """What the header of a file says: a row of ``media``, one for each entry of the corpus."""

    media_id: str
    uri: str
    bytes: int
    container: str
    duration_ms: int
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    rotation: int | None
    frame_rate: float | None
    sample_rate: int | None
    windows: int
    av_offset_ms: int | None
    entry_id: str | None = None
    labels: Labels = ()


@dataclasses.dataclass(frozen=True)
class Failure:
    """Something that could not be done, and why: a row of ``failures``.

    Attributes:
        window_id: the window, or None where the whole file failed.
        stage: ``list``, ``probe``, ``decode`` or ``generate``.
        code: a short stable word for the kind of failure.
        attempt: how often it has failed so far, this time included.
        created_at: when.
    """

    media_id: str
    uri: str
    window_id: str | None
    start_ms: int | None
    end_ms: int | None
    stage: str
    code: str
    message: str
    attempt: int = 1
    entry_id: str | None = None
    labels: Labels = ()
    created_at: datetime.datetime | None = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC)
    )

    @property
    def span(self) -> FailureKey:
        """What has failed: an entry of the corpus, or a window of it."""
        return self.uri, self.entry_id, self.start_ms, self.end_ms
