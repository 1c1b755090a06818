"""The options of a run as serialisable values: corpus, model, output and execution."""

import dataclasses
from typing import Self

from favor.errors import ConfigError
from favor.media.corpus.selection import EVERYTHING, Selection
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions, ModelCard
from favor.models.placement import Placement, choose_device
from favor.models.registry import describe
from pipeline.output.formats import PLAIN, Layout
from transforms.elements import LANGUAGE_PLACEHOLDER, WHOLE_CORPUS, Identity, Question, Shard, check_sound, identify
from transforms.history import NO_RETRIES, RetryPolicy

CPU_BATCH_SIZE = 8  # the throughput of two cores does not grow beyond it
GPU_BATCH_SIZE = 16
AUTO_BATCH_SIZE = 0
LOCAL_RUNNER = "DirectRunner"


ANYWHERE = Placement()
GREEDY = GenerationOptions()
THIRTY_SECONDS = Windowing()


@dataclasses.dataclass(frozen=True)
class CorpusOptions:
    """What is read, and what is asked about it.

    Attributes:
        patterns: files, directories, globs and manifests; local paths or fsspec URLs.
        questions: what is asked about every window.
        windowing: how files are cut into windows.
        selection: which files are taken.
        labels: the columns that rows carry from manifests, and their types.
        streamed: whether the corpus is too long to be planned before the first window is decoded.

    Raises:
        ConfigError: if a question refers to the language of a file, but no manifest has such a column.
    """

    patterns: tuple[str, ...]
    questions: tuple[Question, ...] = ()
    windowing: Windowing = THIRTY_SECONDS
    selection: Selection = EVERYTHING
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    streamed: bool = False

    def __post_init__(self) -> None:
        for question in self.questions:
            if LANGUAGE_PLACEHOLDER in question.text and "language" not in self.labels:
                raise ConfigError(f"{question.text!r} needs a manifest with a column 'language' in the corpus")

    @property
    def tables(self) -> frozenset[str]:
        """The tables of results that the questions fill."""
        return frozenset(question.table for question in self.questions)


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Which model answers, and how.

    Attributes:
        card: what is known about the model before it is loaded.
        placement: where the model computes, and in which precision.
        generation: how text is generated.
    """

    card: ModelCard
    placement: Placement = ANYWHERE
    generation: GenerationOptions = GREEDY

    @classmethod
    def described(cls, name: str, placement: Placement = ANYWHERE, generation: GenerationOptions = GREEDY) -> Self:
        """Returns the options for a model that is looked up by its name.

        Raises:
            FavorError: if there is no such model.
        """
        card = describe(name)  # fields that its family adds are dropped
        common = {field.name: getattr(card, field.name) for field in dataclasses.fields(ModelCard)}
        return cls(ModelCard(**common), placement, generation)

    def identity(self, windowing: Windowing) -> Identity:
        """Returns the identity of this model's rows for files that are cut in this way."""
        return identify(self.card, self.placement, windowing, self.generation)


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """Where the rows are written.

    Attributes:
        directory: a local path or any fsspec URL.
        layout: formats and directories of the final tables.
        retry_policy: which failures of earlier runs are retried.
    """

    directory: str
    layout: Layout = PLAIN
    retry_policy: RetryPolicy = NO_RETRIES


@dataclasses.dataclass(frozen=True)
class ExecutionOptions:
    """How the work is executed.

    Attributes:
        batch_size: windows per batch; 0 for a number that suits the device, which `settled` chooses.
        runner: name of the Beam runner; `LOCAL_RUNNER` runs in this process.
        beam_options: further options for Beam.
        workers: number of processes on this machine.
        shard: the part of the corpus that this process handles.
        suspects: the ids of windows on which a process has died; each gets a batch of its own.
    """

    batch_size: int = AUTO_BATCH_SIZE
    runner: str = LOCAL_RUNNER
    beam_options: tuple[str, ...] = ()
    workers: int = 1
    shard: Shard = WHOLE_CORPUS
    suspects: tuple[str, ...] = ()

    def settled(self, device: str) -> "ExecutionOptions":
        """Returns a copy with a batch size that suits a device, if none was given.

        Raises:
            FavorError: if this machine has no such device.
        """
        on_cpu = choose_device(device).type == "cpu"
        suiting = CPU_BATCH_SIZE if on_cpu else GPU_BATCH_SIZE
        return dataclasses.replace(self, batch_size=self.batch_size or suiting)


IN_THIS_PROCESS = ExecutionOptions()


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """All options of a run.

    Attributes:
        corpus: what is read, and what is asked about it.
        model: which model answers, and how.
        output: where the rows are written.
        execution: how the work is executed.

    Raises:
        ConfigError: if a window can have more sound than the model hears at once.
    """

    corpus: CorpusOptions
    model: ModelOptions
    output: OutputOptions
    execution: ExecutionOptions = IN_THIS_PROCESS

    def __post_init__(self) -> None:
        check_sound(self.model.card, self.corpus.windowing)

    @property
    def identity(self) -> Identity:
        """What determines the ids of the rows."""
        return self.model.identity(self.corpus.windowing)
