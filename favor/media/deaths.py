"""Which windows have killed the process that decodes, and what follows from it."""

from favor.errors import MediaError
from favor.media.process import ChildDeathError
from favor.media.wanted import Span


class Deaths:
    """The deaths on each file; two are enough to tell what is wrong.

    The first may have been an accident, so its window is tried again, after all others of the pass. What the process
    dies on next is to blame. If that is the same window, the window is a failure, and the only one. If it is another
    one, the file is: it is put aside, and every window that is left is a failure for which no process is started.
    """

    def __init__(self) -> None:
        self._deaths: dict[str, list[tuple[Span, ChildDeathError]]] = {}

    def judge(self, uri: str, span: Span, death: ChildDeathError) -> MediaError | None:
        """Notes a death; returns the window's failure, or None if it is to be tried again.

        Args:
            uri: the file.
            span: the window that was to be decoded.
            death: of the process.
        """
        deaths = self._deaths.setdefault(uri, [])
        deaths.append((span, death))
        if len(deaths) == 1:
            return None
        return self.verdict(uri) or MediaError(death.code, f"{uri}: {death}")

    def verdict(self, uri: str) -> MediaError | None:
        """Returns the failure of all windows of a file that has been put aside, or None if it has not."""
        deaths = self._deaths.get(uri, [])
        if len({span for span, _ in deaths}) < 2:
            return None
        _, last = deaths[-1]
        return MediaError(last.code, f"{uri}: {last}; put aside, since it has killed the decoder {len(deaths)} times")
