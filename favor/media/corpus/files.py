"""Media files, their identities, and windows of them."""

import dataclasses
import hashlib


def digest(*parts: object) -> str:
    """Returns a stable 128-bit hexadecimal digest of the parts, the same on every machine."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


Label = str | int | float | bool | None
Labels = tuple[tuple[str, Label], ...]


@dataclasses.dataclass(frozen=True)
class Entry:
    """The part of a file that belongs to the corpus, and the manifest's values for it.

    Attributes:
        start_ms: the first millisecond of the part, on the file's presentation clock.
        end_ms: the first millisecond after the part; None for the file's end.
        prompt: a prompt that replaces the caption prompt.
        labels: the manifest's id, language and further columns, by name; every row about this entry includes them.
    """

    start_ms: int = 0
    end_ms: int | None = None
    prompt: str | None = None
    labels: Labels = ()

    @property
    def entry_id(self) -> str | None:
        """An identifier that differs between the entries of a file; None for a whole file without an id."""
        wanted = (self.start_ms, self.end_ms, self.label("id"))
        return None if wanted == (0, None, None) else digest(*wanted)

    def label(self, name: str) -> Label:
        """Returns the manifest's value in a column, or None if it has none."""
        return next((value for known, value in self.labels if known == name), None)


WHOLE_FILE = Entry()


@dataclasses.dataclass(frozen=True)
class NamedFile:
    """A file named in a manifest, whose existence has not been checked.

    Attributes:
        uri: a local path or any fsspec URL.
        entry: the part of it that belongs to the corpus.
        row: the manifest and the row's number.
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
        version: a value that changes with the content: an etag, a generation or a modification time.
        entry: the part of it that belongs to the corpus; does not affect its identity.
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
