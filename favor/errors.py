"""The errors that a user or an archive can cause, as opposed to mistakes in this code."""


class FavorError(Exception):
    """Something outside this code is wrong; the message says what, where, and what to do about it."""


class MediaError(FavorError):
    """A media file, or a span of it, that cannot be used.

    Attributes:
        code: a short stable word for tables, such as ``no_streams`` or ``truncated``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["MediaError"], tuple[str, str]]:
        return MediaError, (self.code, str(self))


class ConfigError(FavorError, ValueError):
    """A configuration that nothing can be made of; the message names the value and the remedy."""
