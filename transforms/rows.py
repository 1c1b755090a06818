"""The rows of the tables that a run writes, and the names of the tables."""

import dataclasses
import datetime

from favor.media.corpus.files import Labels

CAPTIONS, ANSWERS, TRANSCRIPTS = "captions", "answers", "transcripts"
MEDIA, FAILURES = "media", "failures"
RESOLVED = "resolved"  # the code of a row that marks an earlier failure as resolved

FailureKey = tuple[str, str | None, int | None, int | None]  # uri, entry_id, start_ms, end_ms


@dataclasses.dataclass(frozen=True)
class Result:
    """The model's answer to one question about one window.

    Attributes:
        result_id: unique id of the row, derived from the window, the question, the model and its settings.
        window_id: id derived from the file, the span, the audio track and the split mode; the same for all models.
        media_id: id derived from the file's location, size and modification time; changes when the file does.
        uri: location of the file, as an absolute path or a URL.
        start_ms: first millisecond of the window, on the file's presentation clock.
        end_ms: first millisecond after the window.
        question_id: id of the question: `caption`, `transcript`, or the id given by the user (by default `q1`, ...).
        prompt: the question as it was put to the model.
        text: the answer; empty if a transcript was requested and there is no sound.
        tokens: number of generated tokens, including the one that ends the answer.
        finish_reason: `stop` if the model ended the text, `length` if it was cut off, `no_audio` if it was not asked.
        mean_logprob: mean log-probability of the tokens, a measure of the model's confidence; null without tokens.
        has_audio: whether the window has sound.
        has_video: whether the window has pictures.
        model: name or folder of the model.
        model_revision: revision of the model; changes when the weights do.
        created_at: when the row was created.
        frames: number of frames that the model saw; fewer than the window has if memory ran out. Null in schema 1.
        entry_id: distinguishes manifest entries that name the same file; null for whole files without an id.
        labels: further columns, from the manifest.
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
    """The contents of a file's header; one row for each entry of the corpus.

    Attributes:
        media_id: id derived from the file's location, size and modification time; changes when the file does.
        uri: location of the file, as an absolute path or a URL.
        bytes: size of the file.
        container: file format, as libav names it, such as `mov,mp4,m4a,3gp,3g2,mj2`.
        duration_ms: time from the earliest start of a stream to the latest end, rounded up; 500 for a still picture.
        video_codec: codec of the picture, as libav names it; null without a picture, like all columns about it.
        audio_codec: codec of the sound, as libav names it; null without sound, like all columns about it.
        width: width in pixels as displayed, that is, after rotation.
        height: height in pixels as displayed.
        rotation: clockwise rotation that brings the coded picture upright: 0, 90, 180 or 270 degrees.
        frame_rate: average number of frames per second; null for still pictures too.
        sample_rate: sample rate of the sound as stored, in Hz.
        windows: number of windows of the entry, processed or not.
        av_offset_ms: how much later the sound begins than the picture; null unless the file has both.
        entry_id: distinguishes manifest entries that name the same file; null for whole files without an id.
        labels: further columns, from the manifest.
    """

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
    """A file or window that could not be processed, and why.

    Attributes:
        media_id: id derived from the file's location, size and modification time, or from the uri if nothing was found.
        uri: location of the file, as an absolute path or a URL; or the pattern or manifest that could not be read.
        window_id: id of the window, as in the tables of results; null if the whole file failed.
        start_ms: first millisecond of the window; null if the whole file failed.
        end_ms: first millisecond after the window; null if the whole file failed.
        stage: stage in which it failed: `list`, `probe`, `decode` or `generate`.
        code: short, stable name of the kind of failure.
        message: what happened to which file and, where possible, what to do about it.
        attempt: number of failed attempts so far, including this one.
        entry_id: distinguishes manifest entries that name the same file; null for whole files without an id.
        labels: further columns, from the manifest.
        created_at: when it failed; null in schema 1.
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
        """The entry of the corpus, or the window of it, that has failed."""
        return self.uri, self.entry_id, self.start_ms, self.end_ms
