"""Selecting files of a corpus: by exclusion, by sampling, and up to a limit."""

import dataclasses
import fnmatch
import hashlib

from favor.errors import MediaError
from favor.media.corpus.files import WHOLE_FILE, MediaFile, NamedFile
from favor.media.corpus.listing import Unlisted
from favor.structs import SignedInt


@dataclasses.dataclass(frozen=True)
class Selection:
    """A selection of the files of a corpus, the same in every process and in any order.

    Attributes:
        exclude: globs of files to exclude. Each is matched against all sequences of whole names in a URI: ``*.wav``,
            the directory ``trailers`` with everything in it, ``films/*/raw``; a ``*`` matches slashes too.
        share: the fraction of the remaining files to take, from 0 to 1. It depends only on a file's URI whether it is
            taken, so adding files never removes any from the sample, and a larger share includes all of a smaller one.
        seed: the seed of the sample.
        limit: the most files, or rows of manifests, to take, in the order of the corpus.
    """

    exclude: tuple[str, ...] = ()
    share: float = 1.0
    seed: SignedInt = 0
    limit: int | None = None

    def excludes(self, uri: str) -> bool:
        """Returns whether a glob excludes the file."""
        return any(_matches(uri, glob) for glob in self.exclude)

    def takes(self, uri: str) -> bool:
        """Returns whether the file is in the sample and not excluded."""
        return not self.excludes(uri) and (self.share >= 1 or self._rank(uri) < self.share)

    def _rank(self, uri: str) -> float:
        """Maps a URI to a number from 0 to 1, uniformly distributed over all URIs."""
        digest = hashlib.blake2b(f"{self.seed}\x1f{uri}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / (1 << 64)


EVERYTHING = Selection()


class Seen:
    """The entries of a corpus seen so far; only two numbers are stored for each."""

    def __init__(self) -> None:
        self._contents: dict[int, int] = {}

    def is_new(self, item: MediaFile | NamedFile | Unlisted) -> bool:
        """Returns whether an item is seen for the first time.

        Raises:
            MediaError: ``bad_manifest_row`` if a manifest's item was seen before with another prompt or other labels.
        """
        entry = WHOLE_FILE if isinstance(item, Unlisted) else item.entry
        known = len(self._contents)
        before = self._contents.setdefault(hash((item.uri, entry.entry_id)), hash(entry))
        if before != hash(entry) and entry != WHOLE_FILE:
            raise MediaError(
                "bad_manifest_row",
                f"{item.uri} was listed before with the same span and id, but with another prompt or other columns; "
                "give such rows different ids",
            )
        return len(self._contents) > known


def _matches(uri: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(f"/{uri}/", f"*/{glob.removeprefix('./').rstrip('/')}/*")
