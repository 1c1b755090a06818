"""Listing the media files that patterns and manifests name."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from favor.media.corpus.files import MediaFile, NamedFile
from favor.media.corpus.listing import Unlisted, list_media
from favor.media.corpus.manifests import is_manifest, read_manifest
from favor.media.corpus.selection import EVERYTHING, Seen, Selection
from transforms.elements import Shard
from transforms.failures import captured, failure, mended, unlisted
from transforms.history import History
from transforms.metrics import Tally, timed_items
from transforms.rows import Failure


@dataclasses.dataclass
class Lister:
    """Lists the media files that any number of patterns and manifests name, each entry once.

    Attributes:
        shard: the part of the corpus that this process handles; other processes report the failures outside of it.
        tally: counts the files that are left out, and the time.
        selection: which of the files are taken.
        label_types: the labels that manifests carry, and their types.
        history: the history of earlier runs.
    """

    shard: Shard
    tally: Tally
    selection: Selection = EVERYTHING
    label_types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    history: History = dataclasses.field(default_factory=History)

    def list(self, patterns: Iterable[str]) -> Iterator[MediaFile | NamedFile | Failure]:
        """Yields media files, failures for what leads to none, and resolutions of earlier failures of patterns."""
        seen, taken = Seen(), 0
        for pattern in patterns:
            broken = False
            with captured("list", unlisted(pattern)) as failures:
                for item in timed_items("list", self._listed(pattern), self.tally.add):
                    outcome = self._chosen(item, seen)
                    if isinstance(outcome, Failure):
                        broken = True
                        yield from self._own_failures(outcome)
                    elif outcome:
                        yield outcome
                        taken += 1
                    if taken == self.selection.limit:
                        return
            whole = mended("list", unlisted(pattern))
            for row in failures or ([whole] if self.history.attempts(whole) and not broken else []):
                yield from self._own_failures(row)

    def _listed(self, pattern: str) -> Iterator[MediaFile | NamedFile | Unlisted]:
        return read_manifest(pattern, self.label_types) if is_manifest(pattern) else list_media(pattern)

    def _chosen(self, item: MediaFile | NamedFile | Unlisted, seen: Seen) -> MediaFile | NamedFile | Failure | None:
        """Returns an item that is new and selected, the failure to list it, or None if it is left out."""
        if isinstance(item, Unlisted):
            new = not self.selection.excludes(item.uri) and seen.is_new(item)
            return failure(item.error, "list", unlisted(item.uri)) if new else None
        if not self.selection.takes(item.uri):
            if self.shard.owns(item.uri):
                self.tally.add("files_left_out")
            return None
        with captured("list", unlisted(item.row if isinstance(item, NamedFile) else item.uri)) as failures:
            return item if seen.is_new(item) else None
        return failures[0]

    def _own_failures(self, row: Failure) -> Iterator[Failure]:
        if self.shard.owns(row.uri):
            yield row
