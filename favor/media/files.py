"""Media files: what they are called and who they are."""

import dataclasses
import hashlib


def digest(*parts: object) -> str:
    """Returns a stable 128-bit hexadecimal name for the parts, the same on every machine."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


@dataclasses.dataclass(frozen=True, order=True)
class MediaFile:
    """One video, audio or image file of the corpus.

    Attributes:
        uri: a local path or any fsspec URL.
        bytes: the file's size.
        version: what changes when the content does: an etag, a generation or a modification time.
    """

    uri: str
    bytes: int
    version: str

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
