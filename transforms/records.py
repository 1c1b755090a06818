"""The values that flow through the pipeline."""

import dataclasses
import datetime

from favor.errors import MediaError
from favor.media.clip import Clip
from favor.media.files import WHOLE_FILE, Entry, Labels, MediaFile, WindowKey, digest

RESOLVED = "resolved"  # the code of a failure that a later attempt has mended
LANGUAGE = "{language}"
CAPTIONS, ANSWERS, TRANSCRIPTS = RESULT_TABLES = ("captions", "answers", "transcripts")


@dataclasses.dataclass(frozen=True)
class Question:
    """A prompt with an id; caption, qa and transcribe differ in their questions only.

    Attributes:
        table: where its answers go, one of ``RESULT_TABLES``.
        question_id: names the question in the table.
        text: the prompt; ``{language}`` in it stands for the language that a manifest gives.
        uri: the only media file that it is about, or None for all.
    """

    table: str
    question_id: str
    text: str
    uri: str | None = None

    @property
    def needs_audio(self) -> bool:
        """Whether there is nothing to answer about a window without sound."""
        return self.table == TRANSCRIPTS

    def about(self, media: MediaFile) -> bool:
        """Whether the question is asked about this file."""
        return self.uri is None or self.uri == media.uri

    def asked_of(self, media: MediaFile) -> "Question":
        """Returns the question in the words in which it is asked about this file.

        Raises:
            MediaError: ``no_language`` if it names the file's language, which no manifest gives.
        """
        text = (self.table == CAPTIONS and media.entry.prompt) or self.text
        if LANGUAGE in text:
            language = media.entry.label("language")
            if language is None:
                raise MediaError("no_language", f"{media.uri}: no manifest gives its language, which {text!r} needs")
            text = text.replace(LANGUAGE, str(language))
        return dataclasses.replace(self, text=text)


@dataclasses.dataclass(frozen=True)
class Identity:
    """What decides the text of a window besides the window and the question; the ids of rows are made from it.

    Attributes:
        model: the model's name or folder.
        model_revision: changes when the weights do.
        precision: the type and the quantization of the weights, as they were asked for.
        sampling: how windows are cut and frames are chosen, in words.
        generation: the options of generation as JSON.
    """

    model: str
    model_revision: str
    precision: str
    sampling: str
    generation: str

    def window_id(self, key: WindowKey) -> str:
        """Returns the id of a window of a file, cut and sampled in this way."""
        return digest(key.media_id, key.start_ms, key.end_ms, self.sampling)

    def result_id(self, window_id: str, question: Question, entry: Entry = WHOLE_FILE) -> str:
        """Returns the id of this model's answer to the question about the window, for an entry of the corpus."""
        settings = (self.model_revision, self.precision, self.generation)
        asked = (window_id, question.table, question.question_id, question.text)
        return digest(*asked, *settings, *filter(None, [entry.entry_id]))


@dataclasses.dataclass(frozen=True)
class Job:
    """A window and what is still to be asked about it."""

    key: WindowKey
    questions: tuple[Question, ...]


@dataclasses.dataclass(frozen=True)
class Segment:
    """Neighbouring windows of one file: small, so that it is cheap to move between workers."""

    media: MediaFile
    jobs: tuple[Job, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """A decoded window on its way to the model; big, so that it never crosses a shuffle."""

    media: MediaFile
    job: Job
    clip: Clip


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
class Answered:
    """A window whose questions are all answered: a row for each, with the table that it belongs to."""

    window_ms: int
    rows: tuple[tuple[str, Result], ...]


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


Span = tuple[str, str | None, int | None, int | None]  # uri, entry_id, start_ms, end_ms


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
    def span(self) -> Span:
        """What has failed: an entry of the corpus, or a window of it."""
        return self.uri, self.entry_id, self.start_ms, self.end_ms
