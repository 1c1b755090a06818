"""Patterns become media files, and media files become segments of windows still to be done."""

import dataclasses
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from favor.errors import MediaError
from favor.media.cuts import check_installed
from favor.media.files import MediaFile, Named, WindowKey
from favor.media.isolation import ISOLATED
from favor.media.listing import Unlisted, list_media, look_up
from favor.media.manifests import is_manifest, read_manifest
from favor.media.probe import MediaInfo
from favor.media.process import DEATHS
from favor.media.sampling import SCENES, Sampling, spans
from favor.media.selection import EVERYTHING, Seen, Selection
from favor.media.wanted import Span
from transforms.failures import FAILURES, captured, failure, mended, unlisted
from transforms.metrics import count, timed, timed_items
from transforms.past import Past
from transforms.records import Failure, Identity, Job, MediaRow, Question, Segment

MEDIA = "media"  # the tag of the output that carries the rows of the table
SEGMENT_MS = 300_000  # work moves between workers in pieces of about five minutes


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of a corpus that one of several processes does; segments are dealt out, so that one long film is shared.

    Attributes:
        index: which part, from 0.
        total: how many parts there are.
    """

    index: int = 0
    total: int = 1

    def owns(self, name: str) -> bool:
        """Whether the thing of this name is in this part."""
        return zlib.crc32(name.encode()) % self.total == self.index


WHOLE_CORPUS = Shard()


@dataclasses.dataclass
class ListCorpus(beam.DoFn):
    """Lists the media files that any number of patterns and manifests name, each entry once.

    Attributes:
        shard: the part of the corpus that this process does; failures outside of it are told by others.
        selection: which of the files are taken.
        kinds: the labels that manifests carry, and their types.
        load_past: returns what earlier runs have left.
    """

    shard: Shard
    selection: Selection = EVERYTHING
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    load_past: Callable[[], Past] = Past

    def process(self, patterns: Iterable[str]) -> Iterator[MediaFile | Named]:
        """Yields media files, and failures, or that a pattern is mended, for what leads to none."""
        past = self.load_past()
        seen, taken = Seen(), 0
        for pattern in patterns:
            broken = False
            with captured("list", unlisted(pattern)) as failures:
                for item in timed_items("list", self._listed(pattern)):
                    outcome = self._chosen(item, seen)
                    if isinstance(outcome, Failure):
                        broken = True
                        yield from self._told(outcome)
                    elif outcome:
                        yield outcome
                        taken += 1
                    if taken == self.selection.limit:
                        return
            whole = mended("list", unlisted(pattern))
            for row in failures or ([whole] if past.attempts(whole) and not broken else []):
                yield from self._told(row)

    def _listed(self, pattern: str) -> Iterator[MediaFile | Named | Unlisted]:
        return read_manifest(pattern, self.kinds) if is_manifest(pattern) else list_media(pattern)

    def _chosen(self, item: MediaFile | Named | Unlisted, seen: Seen) -> MediaFile | Named | Failure | None:
        """Returns what is new and taken, the failure to list it, or None."""
        if isinstance(item, Unlisted):
            new = not self.selection.excludes(item.uri) and seen.is_new(item)
            return failure(item.error, "list", unlisted(item.uri)) if new else None
        if not self.selection.takes(item.uri):
            if self.shard.owns(item.uri):
                count("files_left_out")
            return None
        with captured("list", unlisted(item.row if isinstance(item, Named) else item.uri)) as failures:
            return item if seen.is_new(item) else None
        return failures[0]

    def _told(self, row: Failure) -> Iterator[TaggedOutput]:
        if self.shard.owns(row.uri):
            yield TaggedOutput(FAILURES, row)


@dataclasses.dataclass
class Plan(beam.DoFn):
    """Probes a media file and cuts it into segments of the windows that are not done yet.

    Attributes:
        questions: everything that may be asked.
        identity: what decides the ids of windows and results.
        sampling: how files are cut into windows.
        shard: the part of the corpus that this process does.
        load_past: returns what earlier runs have left; called once on each worker.
    """

    questions: tuple[Question, ...]
    identity: Identity
    sampling: Sampling
    shard: Shard
    load_past: Callable[[], Past]

    def setup(self) -> None:
        """Reads what an earlier run has done.

        Raises:
            FavorError: if the worker has not what it takes to find scenes.
        """
        if self.sampling.split == SCENES:
            check_installed()
        self._past = self.load_past()
        self._probed: MediaInfo | None = None

    def process(self, item: MediaFile | Named) -> Iterator[Segment]:
        """Yields segments, the entry's row of ``media``, and a failure where the file cannot be probed."""
        mine = self.shard.owns(_name(item))
        failures: list[Failure] = []
        with captured("list", unlisted(item.uri, item.entry)) as not_found:
            media = look_up(item) if isinstance(item, Named) else item
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
        new = (q for q in questions if self.identity.result_id(window_id, q, media.entry) not in self._past.done)
        return Job(key, tuple(new))

    def _failed_before(self, media: MediaFile, key: WindowKey | None = None) -> bool:
        span = (key.start_ms, key.end_ms) if key else (None, None)
        return self._past.skips(media.media_id, (media.uri, media.entry.entry_id, *span))


def _name(item: MediaFile | Named) -> str:
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
