"""What is written: the rows of the tables, and the tables' names."""

import dataclasses
import datetime

from favor.media.corpus.files import Labels

CAPTIONS, ANSWERS, TRANSCRIPTS = "captions", "answers", "transcripts"
MEDIA, FAILURES = "media", "failures"
RESOLVED = "resolved"  # the code of a failure that a later attempt has mended

FailureKey = tuple[str, str | None, int | None, int | None]  # uri, entry_id, start_ms, end_ms


@dataclasses.dataclass(frozen=True)
class Result:
    """One answer: what the model says about one window, asked one question.

    Attributes:
        result_id: the window, the question, the model and its settings in one name; no two rows have the same.
        window_id: the file, the span, the audio track and the way of splitting in one name, whatever the model.
        media_id: the file's location, size and time of change in one name; another one after the file has changed.
        uri: where the file is, as an absolute path or a URL.
        start_ms: the first millisecond of the window, on the file's presentation clock.
        end_ms: the first millisecond after the window.
        question_id: names the question: `caption`, `transcript`, or what the user calls it (by default `q1`, ...).
        prompt: the question in the words in which it was asked.
        text: the answer; empty where a transcript was asked for and there is no sound.
        tokens: how many tokens the model generated, the one that ends the answer included.
        finish_reason: `stop` if the model ended by itself, `length` if it was cut off, `no_audio` if it was not asked.
        mean_logprob: the mean log-probability of the tokens, a measure of how sure the model was; null without tokens.
        has_audio: whether the window has sound.
        has_video: whether the window has pictures.
        model: the model's name or folder.
        model_revision: changes when the weights do.
        created_at: when the row was made.
        frames: how many the model saw; fewer than the window has where memory ran out. Null in schema 1.
        entry_id: tells entries of a manifest apart that name the same file; null for whole files without an id.
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
    """What the header of a file says; one row for each entry of the corpus.

    Attributes:
        media_id: the file's location, size and time of change in one name; another one after the file has changed.
        uri: where the file is, as an absolute path or a URL.
        bytes: the file's size.
        container: libav's name of the file format, such as `mov,mp4,m4a,3gp,3g2,mj2`.
        duration_ms: from the start of the earliest stream to the end of the last, rounded up; 500 for a still picture.
        video_codec: libav's name of the picture's codec; null without a picture, as in all columns about it.
        audio_codec: libav's name of the sound's codec; null without sound, as in all columns about it.
        width: pixels across, as displayed, that is after rotation.
        height: pixels down, as displayed.
        rotation: 0, 90, 180 or 270 degrees clockwise that bring the coded picture upright.
        frame_rate: average frames a second; null for still pictures too.
        sample_rate: of the sound as stored, in Hz.
        windows: how many windows the entry has, done or not.
        av_offset_ms: how much later the sound begins than the picture; null unless there are both.
        entry_id: tells entries of a manifest apart that name the same file; null for whole files without an id.
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
    """Something that could not be done, and why.

    Attributes:
        media_id: the file's location, size and time of change in one name; of the uri alone where nothing was found.
        uri: where the file is, as an absolute path or a URL; or the pattern or manifest that could not be read.
        window_id: the window in one name, as in the tables of results; null where the whole file failed.
        start_ms: the first millisecond of the window; null where the whole file failed.
        end_ms: the first millisecond after the window; null where the whole file failed.
        stage: where it happened: `list`, `probe`, `decode` or `generate`.
        code: a short stable word for the kind of failure.
        message: what happened, to which file, and where possible what to do.
        attempt: how often it has failed so far, this time included.
        entry_id: tells entries of a manifest apart that name the same file; null for whole files without an id.
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
        """What has failed: an entry of the corpus, or a window of it."""
        return self.uri, self.entry_id, self.start_ms, self.end_ms
