"""Media files: what they are called and who they are."""

import dataclasses
import hashlib


def digest(*parts: object) -> str:
    """Returns a stable 128-bit hexadecimal name for the parts, the same on every machine."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


Label = str | int | float | bool | None
Labels = tuple[tuple[str, Label], ...]


@dataclasses.dataclass(frozen=True)
class Entry:
    """What the corpus wants of a file, and what a manifest says about it.

    Attributes:
        start_ms: the first millisecond that is wanted, on the file's presentation clock.
        end_ms: the first millisecond that is not wanted any more; None is the file's end.
        prompt: replaces the prompt of captions.
        labels: the manifest's id, language and further columns, by name; every row about this entry carries them.
    """

    start_ms: int = 0
    end_ms: int | None = None
    prompt: str | None = None
    labels: Labels = ()

    @property
    def entry_id(self) -> str | None:
        """Tells the entries of one file apart, by their spans and ids; None for a whole file without an id."""
        wanted = (self.start_ms, self.end_ms, self.label("id"))
        return None if wanted == (0, None, None) else digest(*wanted)

    def label(self, name: str) -> Label:
        """Returns what the manifest says in a column, or None."""
        return next((value for known, value in self.labels if known == name), None)


WHOLE_FILE = Entry()


@dataclasses.dataclass(frozen=True)
class NamedFile:
    """A file that a manifest names; nobody has looked yet whether there is one.

    Attributes:
        uri: a local path or any fsspec URL.
        entry: what is wanted of it.
        row: the manifest and the number of the row.
    """

    uri: str
    entry: Entry
    row: str


@dataclasses.dataclass(frozen=True)
class MediaFile:
    """One video, audio or image file of the corpus.

    Attributes:
        uri: a local path or any fsspec URL.
        bytes: the file's size.
        version: what changes when the content does: an etag, a generation or a modification time.
        entry: what is wanted of it; no part of its identity.
    """

    uri: str
    bytes: int
    version: str
    entry: Entry = WHOLE_FILE

    @property
    def media_id(self) -> str:
        """The file's identity: its URI, size and version."""
        return digest(self.uri, self.bytes, self.version)


@dataclasses.dataclass(frozen=True, order=True)
class WindowKey:
    """A half-open span of one media file: the unit of work, of failure and of resume.

    Attributes:
        media_id: identifies the file's content and location.
        start_ms: first millisecond of the span, on the file's presentation clock.
        end_ms: the first millisecond after it.
    """

    media_id: str
    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        """The length of the span."""
        return self.end_ms - self.start_ms
