"""Patterns become media files, and media files become segments of windows still to be done."""

import dataclasses
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from favor.media.files import MediaFile, WindowKey
from favor.media.isolation import ISOLATED
from favor.media.listing import Unlisted, list_media
from favor.media.probe import MediaInfo
from favor.media.sampling import Sampling, spans
from transforms.failures import FAILURES, captured, failure, unlisted
from transforms.metrics import count, timed, timed_items
from transforms.records import Identity, Job, MediaRow, Question, Segment

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
    """Lists the media files that any number of patterns name, each file once.

    Attributes:
        shard: the part of the corpus that this process does; failures outside of it are told by others.
    """

    shard: Shard

    def process(self, patterns: Iterable[str]) -> Iterator[MediaFile]:
        """Yields media files, and failures for what leads to none."""
        seen: set[str] = set()
        for pattern in patterns:
            with captured("list", unlisted(pattern)) as failures:
                for item in timed_items("list", list_media(pattern)):
                    if item.uri in seen:
                        continue
                    seen.add(item.uri)
                    if isinstance(item, Unlisted):
                        failures.append(failure(item.error, "list", unlisted(item.uri)))
                    else:
                        yield item
            for row in failures:
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
        load_done: returns the ids of the results that exist already; called once on each worker.
    """

    questions: tuple[Question, ...]
    identity: Identity
    sampling: Sampling
    shard: Shard
    load_done: Callable[[], frozenset[str]]

    def setup(self) -> None:
        """Reads what an earlier run has done."""
        self._done = self.load_done()

    def process(self, media: MediaFile) -> Iterator[Segment]:
        """Yields segments, the file's row of ``media``, and a failure where the file cannot be probed."""
        mine = self.shard.owns(media.uri)
        with captured("probe", media) as failures:
            with timed("probe"):
                info = ISOLATED.probe(media, self.sampling.audio_track)
            count("bytes_read", ISOLATED.take_bytes_read())
            keys = [WindowKey(media.media_id, *span) for span in spans(info.duration_ms, self.sampling.window_ms)]
            if mine:
                count("files_readable")
                count("file_bytes", media.bytes)
                yield TaggedOutput(MEDIA, media_row(info, len(keys)))
            yield from self._segments(media, keys)
        for row in failures if mine else ():
            yield TaggedOutput(FAILURES, row)

    def _segments(self, media: MediaFile, keys: list[WindowKey]) -> Iterator[Segment]:
        questions = tuple(question for question in self.questions if question.about(media))
        for number, group in enumerate(batched(keys, max(1, SEGMENT_MS // self.sampling.window_ms))):
            if not questions or not self.shard.owns(f"{media.uri}#{number}"):
                continue
            count("windows_planned", len(group))
            jobs = tuple(job for job in (self._job(key, questions) for key in group) if job.questions)
            count("windows_skipped", len(group) - len(jobs))
            if jobs:
                yield Segment(media, jobs)

    def _job(self, key: WindowKey, questions: tuple[Question, ...]) -> Job:
        window_id = self.identity.window_id(key)
        return Job(key, tuple(q for q in questions if self.identity.result_id(window_id, q) not in self._done))


def batched(items: list[WindowKey], size: int) -> Iterator[list[WindowKey]]:
    """Yields neighbouring items in lists of at most ``size``."""
    iterator = iter(items)
    while group := list(itertools.islice(iterator, size)):
        yield group


def media_row(info: MediaInfo, windows: int) -> MediaRow:
    """Makes the row of ``media`` from what the header says."""
    known = {field.name for field in dataclasses.fields(MediaRow)}
    facts = {name: value for name, value in dataclasses.asdict(info).items() if name in known}
    return MediaRow(**facts, windows=windows)
