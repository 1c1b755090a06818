"""Planning: probing media files and cutting them into segments of the windows that are still to be processed."""

import dataclasses
import itertools
from collections.abc import Iterator

from favor.errors import MediaError
from favor.media.clock import Span
from favor.media.corpus.files import MediaFile, NamedFile, WindowKey
from favor.media.corpus.listing import look_up
from favor.media.isolation.decoder import IsolatedDecoder
from favor.media.isolation.process import DEATHS
from favor.media.probe import MediaInfo
from favor.media.sampling import SCENES, spans
from transforms.elements import Identity, Job, Question, Segment, Shard
from transforms.failures import captured, unlisted
from transforms.history import History
from transforms.metrics import Tally, timed
from transforms.rows import Failure, MediaRow

SEGMENT_MS = 300_000  # work is distributed to workers in pieces of about five minutes


@dataclasses.dataclass
class Planner:
    """Probes media files and cuts them into segments of the windows still to be processed; for use by one thread.

    Attributes:
        questions: all questions that may be asked.
        identity: how files are cut into windows, and what determines the ids of windows and results.
        shard: the part of the corpus that this process handles.
        history: the history of earlier runs.
        decoder: probes the files.
        tally: counts files, windows and the time.
    """

    questions: tuple[Question, ...]
    identity: Identity
    shard: Shard
    history: History
    decoder: IsolatedDecoder
    tally: Tally

    def __post_init__(self) -> None:
        self._probed: MediaInfo | None = None

    def plan(self, item: MediaFile | NamedFile) -> Iterator[Segment | MediaRow | Failure]:
        """Yields segments, the entry's row of ``media``, and a failure if the file cannot be probed."""
        mine = self.shard.owns(_name(item))
        failures: list[Failure] = []
        with captured("list", unlisted(item.uri, item.entry)) as not_found:
            media = look_up(item) if isinstance(item, NamedFile) else item
            if self._failed_before(media):
                if mine:
                    self.tally.add("files_failed_before")
                return
            with captured("probe", media) as failures:
                info = self._probe(media)
                questions = tuple(question.asked_of(media) for question in self.questions if question.about(media))
                keys = [WindowKey(media.media_id, *span) for span in self._spans(info, media)]
                if mine:
                    self.tally.add("files_readable")
                    self.tally.add("file_bytes", media.bytes)
                    yield media_row(info, media, len(keys))
                yield from self._segments(media, keys, questions)
        yield from (*not_found, *failures) if mine else ()

    def _probe(self, media: MediaFile) -> MediaInfo:
        """Probes a file, only once if consecutive rows of a manifest name the same one."""
        if self._probed is None or self._probed.media_id != media.media_id:
            with timed("probe", self.tally.add):
                self._probed = self.decoder.probe(media, self.identity.windowing.audio_track)
            self.tally.add("bytes_read", self.decoder.take_bytes_read())
        return self._probed

    def _spans(self, info: MediaInfo, media: MediaFile) -> list[Span]:
        first, wanted = media.entry.start_ms, media.entry.end_ms
        last = info.duration_ms if wanted is None else min(wanted, info.duration_ms)
        if first >= last > 0:
            what = f"{media.uri} ends at {info.duration_ms / 1000} s, before the span that is asked for begins"
            raise MediaError("outside", f"{what}, at {first / 1000} s")
        if self.identity.windowing.split == SCENES and info.video_codec and not info.still:
            try:
                with timed("probe", self.tally.add):
                    return self.decoder.scene_spans(media.uri, (first, last), self.identity.windowing.window_ms)
            except MediaError as error:  # not decodable: use fixed windows, and let decoding report the failure
                if error.code in DEATHS:  # a later run may find scenes, whose windows would overlap fixed ones
                    raise
        return [(first + start, first + end) for start, end in spans(last - first, self.identity.windowing.window_ms)]

    def _segments(self, media: MediaFile, keys: list[WindowKey], questions: tuple[Question, ...]) -> Iterator[Segment]:
        for number, group in enumerate(batched(keys, max(1, SEGMENT_MS // self.identity.windowing.window_ms))):
            if not questions or not self.shard.owns(f"{_name(media)}#{number}"):
                continue
            self.tally.add("windows_planned", len(group))
            undone = [job for job in (self._job(media, key, questions) for key in group) if job.questions]
            jobs = tuple(job for job in undone if not self._failed_before(media, job.key))
            self.tally.add("windows_skipped", len(group) - len(jobs))
            self.tally.add("windows_failed_before", len(undone) - len(jobs))
            if jobs:
                yield Segment(media, jobs)

    def _job(self, media: MediaFile, key: WindowKey, questions: tuple[Question, ...]) -> Job:
        window_id = self.identity.window_id(key)
        new = (q for q in questions if self.identity.result_id(window_id, q, media.entry) not in self.history.done)
        return Job(key, tuple(new))

    def _failed_before(self, media: MediaFile, key: WindowKey | None = None) -> bool:
        span = (key.start_ms, key.end_ms) if key else (None, None)
        return self.history.skips(media.media_id, (media.uri, media.entry.entry_id, *span))


def _name(item: MediaFile | NamedFile) -> str:
    """Returns a name that is unique to an entry."""
    return item.uri + (item.entry.entry_id or "")


def batched(items: list[WindowKey], size: int) -> Iterator[list[WindowKey]]:
    """Yields the items in order, in lists of at most ``size``."""
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group


def media_row(info: MediaInfo, media: MediaFile, windows: int) -> MediaRow:
    """Returns the row of ``media`` for a probed file and its entry."""
    known = {field.name for field in dataclasses.fields(MediaRow)}
    facts = {name: value for name, value in dataclasses.asdict(info).items() if name in known}
    return MediaRow(**facts, windows=windows, entry_id=media.entry.entry_id, labels=media.entry.labels)
