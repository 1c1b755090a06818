"""Which files of a corpus are taken: not the excluded ones, a sample, the first few."""

import dataclasses
import fnmatch
import hashlib

from favor.errors import MediaError
from favor.media.corpus.files import WHOLE_FILE, MediaFile, NamedFile
from favor.media.corpus.listing import Unlisted
from favor.structs import SignedInt


@dataclasses.dataclass(frozen=True)
class Selection:
    """A choice among the files of a corpus, the same in every process and in every order.

    Attributes:
        exclude: globs of what is left out. Each is compared with every run of whole names in a URI: ``*.wav``, the
            directory ``trailers`` with all that is in it, ``films/*/raw``; a ``*`` matches slashes too.
        share: how many of the others are taken, from 0 to 1. Whether a file is taken depends on its URI alone, so the
            sample of a corpus that grows only grows, and a larger share holds all of a smaller one.
        seed: another one takes other files.
        limit: how many files, or rows of manifests, are taken at most, in the order of the corpus.
    """

    exclude: tuple[str, ...] = ()
    share: float = 1.0
    seed: SignedInt = 0
    limit: int | None = None

    def excludes(self, uri: str) -> bool:
        """Whether a glob leaves the file out."""
        return any(_matches(uri, glob) for glob in self.exclude)

    def takes(self, uri: str) -> bool:
        """Whether the file is neither excluded nor left out of the sample."""
        return not self.excludes(uri) and (self.share >= 1 or self._rank(uri) < self.share)

    def _rank(self, uri: str) -> float:
        """A number from 0 to 1, spread evenly over the URIs."""
        digest = hashlib.blake2b(f"{self.seed}\x1f{uri}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / (1 << 64)


EVERYTHING = Selection()


class Seen:
    """The entries of a corpus that have come up; only two numbers of each are kept."""

    def __init__(self) -> None:
        self._contents: dict[int, int] = {}

    def is_new(self, item: MediaFile | NamedFile | Unlisted) -> bool:
        """Whether something comes up for the first time; a manifest may say more of a file than a directory does.

        Raises:
            MediaError: ``bad_manifest_row`` if it came up before with another prompt or other labels.
        """
        entry = WHOLE_FILE if isinstance(item, Unlisted) else item.entry
        known = len(self._contents)
        before = self._contents.setdefault(hash((item.uri, entry.entry_id)), hash(entry))
        if before != hash(entry) and entry != WHOLE_FILE:
            raise MediaError(
                "bad_manifest_row",
                f"{item.uri} came up before with the same span and id, but with another prompt or other columns; "
                "give such rows different ids",
            )
        return len(self._contents) > known


def _matches(uri: str, glob: str) -> bool:
    return fnmatch.fnmatchcase(f"/{uri}/", f"*/{glob.removeprefix('./').rstrip('/')}/*")
