"""Media files become segments of windows still to be done."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from favor.errors import MediaError
from favor.media.clock import Span
from favor.media.corpus.files import MediaFile, NamedFile, WindowKey
from favor.media.corpus.listing import look_up
from favor.media.isolation.decoder import ISOLATED
from favor.media.isolation.process import DEATHS
from favor.media.probe import MediaInfo
from favor.media.sampling import SCENES, Sampling, spans
from favor.media.scenes.cuts import check_installed
from transforms.elements import Identity, Job, Question, Segment, Shard
from transforms.failures import captured, unlisted
from transforms.history import History
from transforms.metrics import count, timed
from transforms.rows import FAILURES, MEDIA, Failure, MediaRow

SEGMENT_MS = 300_000  # work moves between workers in pieces of about five minutes


@dataclasses.dataclass
class PlanSegments(beam.DoFn):
    """Probes a media file and cuts it into segments of the windows that are not done yet.

    Attributes:
        questions: everything that may be asked.
        identity: what decides the ids of windows and results.
        sampling: how files are cut into windows.
        shard: the part of the corpus that this process does.
        load_history: returns what earlier runs have left; called once on each worker.
    """

    questions: tuple[Question, ...]
    identity: Identity
    sampling: Sampling
    shard: Shard
    load_history: Callable[[], History]

    def setup(self) -> None:
        """Reads what an earlier run has done.

        Raises:
            FavorError: if the worker has not what it takes to find scenes.
        """
        if self.sampling.split == SCENES:
            check_installed()
        self._history = self.load_history()
        self._probed: MediaInfo | None = None

    def process(self, item: MediaFile | NamedFile) -> Iterator[Segment]:
        """Yields segments, the entry's row of ``media``, and a failure where the file cannot be probed."""
        mine = self.shard.owns(_name(item))
        failures: list[Failure] = []
        with captured("list", unlisted(item.uri, item.entry)) as not_found:
            media = look_up(item) if isinstance(item, NamedFile) else item
            if self._failed_before(media):
                if mine:
                    count("files_failed_before")
                return
            with captured("probe", media) as failures:
                info = self._probe(media)
                questions = tuple(question.asked_of(media) for question in self.questions if question.about(media))
                keys = [WindowKey(media.media_id, *span) for span in self._spans(info, media)]
                if mine:
                    count("files_readable")
                    count("file_bytes", media.bytes)
                    yield TaggedOutput(MEDIA, media_row(info, media, len(keys)))
                yield from self._segments(media, keys, questions)
        for row in (*not_found, *failures) if mine else ():
            yield TaggedOutput(FAILURES, row)

    def _probe(self, media: MediaFile) -> MediaInfo:
        """Probes a file; once where neighbouring rows of a manifest name the same one."""
        if self._probed is None or self._probed.media_id != media.media_id:
            with timed("probe"):
                self._probed = ISOLATED.probe(media, self.sampling.audio_track)
            count("bytes_read", ISOLATED.take_bytes_read())
        return self._probed

    def _spans(self, info: MediaInfo, media: MediaFile) -> list[Span]:
        first, last = media.entry.start_ms, min(media.entry.end_ms or info.duration_ms, info.duration_ms)
        if first >= last > 0:
            what = f"{media.uri} ends at {info.duration_ms / 1000} s, before the start of its row in the manifest"
            raise MediaError("outside", f"{what}, {first / 1000} s")
        if self.sampling.split == SCENES and info.video_codec and not info.still:
            try:
                with timed("probe"):
                    return ISOLATED.scene_spans(media.uri, (first, last), self.sampling.window_ms)
            except MediaError as error:  # not decodable: cut as ever, and decoding will tell
                if error.code in DEATHS:  # a later run may live to find scenes, whose windows would overlap those
                    raise
        return [(first + start, first + end) for start, end in spans(last - first, self.sampling.window_ms)]

    def _segments(self, media: MediaFile, keys: list[WindowKey], questions: tuple[Question, ...]) -> Iterator[Segment]:
        for number, group in enumerate(batched(keys, max(1, SEGMENT_MS // self.sampling.window_ms))):
            if not questions or not self.shard.owns(f"{_name(media)}#{number}"):
                continue
            count("windows_planned", len(group))
            undone = [job for job in (self._job(media, key, questions) for key in group) if job.questions]
            jobs = tuple(job for job in undone if not self._failed_before(media, job.key))
            count("windows_skipped", len(group) - len(jobs))
            count("windows_failed_before", len(undone) - len(jobs))
            if jobs:
                yield Segment(media, jobs)

    def _job(self, media: MediaFile, key: WindowKey, questions: tuple[Question, ...]) -> Job:
        window_id = self.identity.window_id(key)
        new = (q for q in questions if self.identity.result_id(window_id, q, media.entry) not in self._history.done)
        return Job(key, tuple(new))

    def _failed_before(self, media: MediaFile, key: WindowKey | None = None) -> bool:
        span = (key.start_ms, key.end_ms) if key else (None, None)
        return self._history.skips(media.media_id, (media.uri, media.entry.entry_id, *span))


def _name(item: MediaFile | NamedFile) -> str:
    """What tells an entry from all others."""
    return item.uri + (item.entry.entry_id or "")


def batched(items: list[WindowKey], size: int) -> Iterator[list[WindowKey]]:
    """Yields neighbouring items in lists of at most ``size``."""
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group


def media_row(info: MediaInfo, media: MediaFile, windows: int) -> MediaRow:
    """Makes the row of ``media`` from what the header and the manifest say."""
    known = {field.name for field in dataclasses.fields(MediaRow)}
    facts = {name: value for name, value in dataclasses.asdict(info).items() if name in known}
    return MediaRow(**facts, windows=windows, entry_id=media.entry.entry_id, labels=media.entry.labels)
