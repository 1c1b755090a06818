"""Where examples come from: manifests of real media, or the generated world."""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from favor.errors import ConfigError, FavorError
from favor.media.clip import Clip
from favor.media.decode import read_clip
from favor.models.favor.config import FavorConfig
from favor.structs import read_dataclass
from favor.synthetic import SPLITS, generate_clips
from favor.training.examples import TASK_MODALITIES, TASKS, Example
from favor.training.mixing import ClipExamples, Generator

LARGEST_INDEX = 2**31  # of clips of the generated world
CLIPS_KEPT = 16  # decoded; enough for the questions to one clip, and for a handful of clips to be learnt by heart

ClipSpan = tuple[
    str, float, float, str
]  # a file, start and end in seconds, and the file whose sound is heard, if another


@dataclasses.dataclass(frozen=True)
class ExampleRow:
    """A line of a manifest.

    Attributes:
        uri: of the media file.
        question: to it.
        answer: to learn.
        task: one of ``TASKS``.
        start: seconds, of the span that is shown.
        end: seconds; 0 for the end of the file.
        sound: another media file, whose sound is heard with the picture; such as an image's spoken caption.
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
        """What is seen and heard."""
        return self.uri, self.start, self.end, self.sound


class ManifestSource:
    """Real media, listed in JSON lines of ``ExampleRow``.

    Args:
        paths: of the manifests.
        config: of the model, which says how large frames are and which are taken.

    Raises:
        FavorError: if a manifest cannot be read, or a line is no row.
    """

    def __init__(self, paths: Sequence[str | Path], config: FavorConfig) -> None:
        self.config = config
        self._rows: dict[str, dict[ClipSpan, list[ExampleRow]]] = {}
        for row in (row for path in paths for row in read_examples(Path(path))):
            self._rows.setdefault(row.task, {}).setdefault(row.span, []).append(row)

    def draw(self, tasks: Sequence[str], clips: int, questions: int, generator: Generator) -> list[ClipExamples]:
        """Draws spans, all of which are as likely, and questions to each.

        Raises:
            FavorError: if no row is of these tasks, or a file cannot be decoded.
        """
        spans = [(span, rows) for task in tasks for span, rows in self._rows.get(task, {}).items()]
        if not spans:
            raise FavorError(f"no line of the manifests has the task {' or '.join(tasks)}, which the mix wants")
        chosen = [spans[place] for place in generator.integers(len(spans), size=clips)]
        return [self._group(span, rows, questions, generator) for span, rows in chosen]

    def _group(self, span: ClipSpan, rows: list[ExampleRow], questions: int, generator: Generator) -> ClipExamples:
        uri, start, end, sound = span
        looks = self.config.visual.image_size, self.config.frame_sampling
        clip = _read(uri, start, end or None, *looks)
        if sound:
            clip = dataclasses.replace(clip, audio=_read(sound, 0.0, None, *looks).audio)
        if TASK_MODALITIES[rows[0].task] == ("audio",) and clip.audio is not None:
            clip = Clip(audio=clip.audio)
        order = generator.permutation(len(rows))[:questions]
        return [Example(clip, rows[place].question, rows[place].answer, rows[place].task) for place in order]


@functools.lru_cache(CLIPS_KEPT)
def _read(uri: str, start: float, end: float | None, size: int, sampling: str) -> Clip:
    return read_clip(uri, start, end, size, sampling)


def read_examples(path: Path) -> list[ExampleRow]:
    """Reads the rows of a manifest.

    Raises:
        FavorError: if it cannot be read, is empty, or a line is no row; the message names the line.
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
        raise ConfigError(f"{where} is no JSON: {error}") from error
    if row.task not in TASKS:
        raise ConfigError(f"{where}: there is no task {row.task!r}; there are {', '.join(TASKS)}")
    return row


class WorldSource:
    """The training part of the generated world: each draw is a new clip."""

    def draw(self, tasks: Sequence[str], clips: int, questions: int, generator: Generator) -> list[ClipExamples]:
        """Draws clips of one of the tasks each, and questions to each."""
        return [self._group(tasks[int(generator.integers(len(tasks)))], questions, generator) for _ in range(clips)]

    def _group(self, task: str, questions: int, generator: Generator) -> ClipExamples:
        made = generate_clips(SPLITS["train"], int(generator.integers(LARGEST_INDEX)), (task,))
        order = generator.permutation(len(made.items))[:questions]
        items = [made.items[place] for place in order]
        return [Example(made.clip, item.question, item.answer, item.task) for item in items]


def batch_generator(seed: int, stage: int, number: int) -> Generator:
    """The generator that a batch is drawn from."""
    return np.random.default_rng([seed, stage, number])
