"""The log of a training run: JSON lines, and TensorBoard events if TensorBoard is installed."""

import importlib.util
import json
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"


class Records:
    """The records of one training run.

    Args:
        folder: folder of the records.
        total: steps done; records of later steps, left by an interrupted run, are removed.
    """

    def __init__(self, folder: Path, total: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / METRICS
        _cut(self.path, total)
        self._board: Any = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=total)

    def write(self, total: int, values: dict[str, Any]) -> None:
        """Appends the values of a step; numbers are also sent to TensorBoard."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"total": total, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(name, value, total)
            self._board.flush()

    def close(self) -> None:
        """Closes the TensorBoard events."""
        if self._board is not None:
            self._board.close()


def _cut(path: Path, total: int) -> None:
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _is_before(line, total)]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    partial.replace(path)


def _is_before(line: str, total: int) -> bool:
    try:
        return json.loads(line)["total"] <= total
    except ValueError:  # the last line of a run that was killed while writing
        return False
