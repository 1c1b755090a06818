"""Surveying a corpus by the headers of its files: how many, how long, of which kinds, and what is wrong with some."""

import collections
import concurrent.futures
import dataclasses
import heapq
import os
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from favor.media.corpus.files import MediaFile, NamedFile
from transforms.counts import Counts
from transforms.elements import Segment
from transforms.listing import Lister
from transforms.planning import Planner
from transforms.rows import Failure, MediaRow

THREADS = 2 * (os.cpu_count() or 1)  # half of them wait for a disk or a network
FILES_AHEAD = 4 * THREADS
EXAMPLES_PER_CODE = 3  # of each kind of failure
MOST_SHOWN = 8  # codecs, or sizes, in a line
MOST_DISTINGUISHED = 1000  # codecs, or sizes; any further ones are counted together
SEGMENTS = 64  # drawn from the whole corpus
LATE_MS = 100  # an offset of the sound that is noticeable

Found = MediaRow | Segment | Failure


class Survey:
    """Statistics of a corpus; memory does not grow with the corpus.

    Args:
        seed: random seed for drawing segments.

    Attributes:
        totals: total files, bytes, milliseconds and windows.
        rows: number of files by property (``video``, ``audio``, ``sizes``, ``odd`` or ``failures``), then by value.
        examples: messages of the first failures of each code.
        probe_seconds: time that listing and probing have taken, summed over the files.
    """

    def __init__(self, seed: int = 0) -> None:
        self.totals: collections.Counter[str] = collections.Counter()
        self.rows: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.examples: dict[str, list[str]] = collections.defaultdict(list)
        self.probe_seconds = 0.0
        self._random = random.Random(seed)
        self._drawn: list[tuple[float, int, Segment]] = []

    @property
    def segments(self) -> list[Segment]:
        """The drawn segments, in random order."""
        return [segment for *_, segment in sorted(self._drawn, key=lambda drawn: -drawn[0])]

    def add(self, found: Found) -> None:
        """Adds a file, a segment of one, or a failure."""
        if isinstance(found, Failure):
            self.totals["files_failed"] += 1
            self.rows["failures"][found.code] += 1
            if len(self.examples[found.code]) < EXAMPLES_PER_CODE:
                self.examples[found.code].append(found.message)
        elif isinstance(found, MediaRow):
            self._add_file(found)
        else:
            self._draw(found)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON can hold it."""
        return {
            **{name: self.totals[name] for name in ("files_readable", "files_failed", "bytes", "media_ms", "windows")},
            **{name: dict(self.rows[name].most_common()) for name in ("video", "audio", "sizes", "odd", "failures")},
            "examples": dict(self.examples),
            "probe_seconds": self.probe_seconds,
        }

    def __str__(self) -> str:
        totals, readable = self.totals, self.totals["files_readable"]
        failed = [f"{'':10} {code}: {message}" for code, several in self.examples.items() for message in several]
        lines = {
            "files": f"{readable + totals['files_failed']}: {readable} readable, {totals['files_failed']} failed",
            "length": f"{totals['media_ms'] / 3_600_000:.2f} hours, {totals['bytes'] / 1e9:.2f} GB",
            "windows": str(totals["windows"]),
            "picture": _most(self.rows["video"]),
            "sound": _most(self.rows["audio"]),
            "sizes": _most(self.rows["sizes"]),
            "odd": _most(self.rows["odd"]),
            "failures": _most(self.rows["failures"]),
        }
        return "\n".join([*(f"{name:10} {text}" for name, text in lines.items()), *failed])

    def _add_file(self, row: MediaRow) -> None:
        self.totals.update(files_readable=1, bytes=row.bytes, media_ms=row.duration_ms, windows=row.windows)
        facts = {"video": row.video_codec or "none", "audio": row.audio_codec or "none"}
        if row.width and row.height:
            facts["sizes"] = f"{row.width}x{row.height}"
        for name, value in facts.items():
            kinds = self.rows[name]
            kinds[value if value in kinds or len(kinds) < MOST_DISTINGUISHED else "others"] += 1
        self.rows["odd"].update(_oddities(row))

    def _draw(self, segment: Segment) -> None:
        """Keeps the segments with the largest random keys, weighted so that all windows are equally likely."""
        key = self._random.random() ** (1 / len(segment.jobs))
        push = heapq.heappush if len(self._drawn) < SEGMENTS else heapq.heappushpop
        push(self._drawn, (key, self.totals["segments"], segment))
        self.totals["segments"] += 1


def survey(
    patterns: Iterable[str],
    lister: Lister,
    planner: Planner,
    seed: int = 0,
    tell: Callable[[Survey], None] = lambda survey: None,
) -> Survey:
    """Lists and probes a corpus with the code of a run, but several files in parallel.

    Args:
        patterns: files, directories, globs and manifests.
        lister: lists the files, as in a run.
        planner: probes the files, as in a run, with the tally of the lister; each file gets a copy.
        seed: random seed for drawing segments.
        tell: called after each file.
    """
    found = Survey(seed)

    def take(result: Iterable[Found]) -> None:
        for value in result:
            found.add(value)
        tell(found)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        probing: collections.deque[concurrent.futures.Future[list[Found]]] = collections.deque()
        try:
            for item in lister.list(patterns):
                if isinstance(item, Failure):
                    take([item])
                    continue
                probing.append(pool.submit(_probed, planner, item))
                if len(probing) == FILES_AHEAD:
                    take(probing.popleft().result())
            while probing:
                take(probing.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)
    found.probe_seconds = sum(Counts(planner.tally.snapshot()).seconds(stage) for stage in ("list", "probe"))
    return found


def _probed(planner: Planner, item: MediaFile | NamedFile) -> list[Found]:
    return list(dataclasses.replace(planner).plan(item))


def _oddities(row: MediaRow) -> Iterator[str]:
    if row.rotation:
        yield f"rotated by {row.rotation} degrees"
    if row.av_offset_ms is not None and abs(row.av_offset_ms) > LATE_MS:
        yield f"sound more than {LATE_MS} ms off the picture"
    if row.video_codec and row.audio_codec is None:
        yield "without sound"
    if row.audio_codec and row.video_codec is None:
        yield "without picture"


def _most(kinds: collections.Counter[str]) -> str:
    shown = [f"{name} {count}" for name, count in kinds.most_common(MOST_SHOWN)]
    more = len(kinds) - len(shown)
    return ", ".join([*shown, f"and {more} others"] if more else shown) or "none"
