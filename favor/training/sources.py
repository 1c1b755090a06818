"""Sources of examples: manifests of real media, or the generated world."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from favor.errors import ConfigError, FavorError
from favor.media.clip import Clip
from favor.media.decode import read_clip
from favor.media.needs import ClipNeeds
from favor.models.favor.config import FavorConfig
from favor.structs import read_dataclass
from favor.synthetic import SPLITS, generate_clips
from favor.training.examples import TASK_MODALITIES, TASKS, Example
from favor.training.mixing import ClipExamples, Generator

LARGEST_INDEX = 2**31  # of clips of the generated world
CLIPS_KEPT = 16  # decoded; enough for the questions about one clip, and to overfit a handful of clips

# A file, start and end in seconds, and the file whose sound replaces its own, or "".
ClipSpan = tuple[str, float, float, str]


@dataclasses.dataclass(frozen=True)
class ExampleRow:
    """A line of a manifest.

    Attributes:
        uri: URI of the media file.
        question: question about it.
        answer: answer to learn.
        task: one of ``TASKS``.
        start: start of the span, in seconds.
        end: end of the span, in seconds; 0 for the end of the file.
        sound: another media file whose sound goes with the picture, such as an image's spoken caption.
    """

    uri: str
    question: str
    answer: str
    task: str
    start: float = 0.0
    end: float = 0.0
    sound: str = ""

    @property
    def span(self) -> ClipSpan:
        """The span that is seen and heard."""
        return self.uri, self.start, self.end, self.sound


class ManifestSource:
    """Real media, listed in JSON lines of ``ExampleRow``.

    Args:
        paths: paths of the manifests.
        config: configuration of the model, which determines the size and choice of frames.

    Raises:
        FavorError: if a manifest cannot be read, is empty, or has an invalid line.
    """

    def __init__(self, paths: Sequence[str | Path], config: FavorConfig) -> None:
        self.config = config
        self._rows: dict[str, dict[ClipSpan, list[ExampleRow]]] = {}
        for row in (row for path in paths for row in read_examples(Path(path))):
            self._rows.setdefault(row.task, {}).setdefault(row.span, []).append(row)

    def draw(self, tasks: Sequence[str], clips: int, questions: int, generator: Generator) -> list[ClipExamples]:
        """Draws spans uniformly, and questions about each.

        Raises:
            FavorError: if no row has one of these tasks, or a file cannot be decoded.
        """
        spans = [(span, rows) for task in tasks for span, rows in self._rows.get(task, {}).items()]
        if not spans:
            raise FavorError(f"no line of the manifests has the task {' or '.join(tasks)}, which the mix wants")
        chosen = [spans[place] for place in generator.integers(len(spans), size=clips)]
        return [self._group(span, rows, questions, generator) for span, rows in chosen]

    def _group(self, span: ClipSpan, rows: list[ExampleRow], questions: int, generator: Generator) -> ClipExamples:
        uri, start, end, sound = span
        clip = _read(uri, start, end or None, self.config.needs)
        if sound:
            clip = dataclasses.replace(clip, audio=_read(sound, 0.0, None, self.config.needs).audio)
        if TASK_MODALITIES[rows[0].task] == ("audio",) and clip.audio is not None:
            clip = Clip(audio=clip.audio)
        order = generator.permutation(len(rows))[:questions]
        return [Example(clip, rows[place].question, rows[place].answer, rows[place].task) for place in order]


@functools.lru_cache(CLIPS_KEPT)
def _read(uri: str, start: float, end: float | None, needs: ClipNeeds) -> Clip:
    return read_clip(uri, start, end, needs)


def read_examples(path: Path) -> list[ExampleRow]:
    """Reads the rows of a manifest.

    Raises:
        FavorError: if it cannot be read, is empty, or has an invalid line, which the message names.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FavorError(f"{path} cannot be read: {error.strerror}") from error
    rows = [_read_row(line, f"{path} line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise FavorError(f"{path} has no lines; each is an object with {', '.join(ExampleRow.__annotations__)}")
    return rows


def _read_row(line: str, where: str) -> ExampleRow:
    try:
        row = read_dataclass(ExampleRow, json.loads(line), where)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where} is not JSON: {error}") from error
    if row.task not in TASKS:
        raise ConfigError(f"{where}: there is no task {row.task!r}; there are {', '.join(TASKS)}")
    return row


class WorldSource:
    """The training part of the generated world: each draw is a new clip."""

    def draw(self, tasks: Sequence[str], clips: int, questions: int, generator: Generator) -> list[ClipExamples]:
        """Draws clips, each for one of the tasks, and questions about each."""
        return [self._group(tasks[int(generator.integers(len(tasks)))], questions, generator) for _ in range(clips)]

    def _group(self, task: str, questions: int, generator: Generator) -> ClipExamples:
        made = generate_clips(SPLITS["train"], int(generator.integers(LARGEST_INDEX)), (task,))
        order = generator.permutation(len(made.items))[:questions]
        items = [made.items[place] for place in order]
        return [Example(made.clip, item.question, item.answer, item.task) for item in items]


def batch_generator(seed: int, stage: int, number: int) -> Generator:
    """Returns the random generator of a batch."""
    return np.random.default_rng([seed, stage, number])
