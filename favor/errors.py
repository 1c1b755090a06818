"""Errors caused by user input or by media files, as opposed to bugs in this code."""


class FavorError(Exception):
    """A problem outside this code; the message says what is wrong, where, and how to fix it."""


class MediaError(FavorError):
    """A media file, or a span of one, that cannot be used.

    Attributes:
        code: a short, stable identifier for tables, such as ``no_streams`` or ``truncated``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["MediaError"], tuple[str, str]]:
        return MediaError, (self.code, str(self))


class ConfigError(FavorError, ValueError):
    """An invalid configuration; the message names the value and how to fix it."""
