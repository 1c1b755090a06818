"""How far an import is."""


class Progress:
    """Told how the work goes; this one keeps it to itself."""

    def start(self, what: str, total: int) -> None:
        """Begins a stage of so many bytes."""

    def advance(self, count: int) -> None:
        """Notes that so many bytes more are done."""
