"""Everything that a run is told, as one value that can be written down."""

import dataclasses
import json
from typing import Any

from favor import GenerationOptions
from favor.media.corpus.selection import EVERYTHING, Selection
from favor.media.sampling import Sampling
from favor.models.favor.model import choose_device
from pipeline.output.formats import PLAIN, Layout
from transforms.elements import WHOLE_CORPUS, Identity, Question, Shard
from transforms.history import NO_RETRIES, RetryPolicy

CPU_BATCH_SIZE = 8  # beyond it the throughput of two cores no longer grows
GPU_BATCH_SIZE = 16
LOCAL_RUNNER = "DirectRunner"


def auto_batch_size(device: str) -> int:
    """Returns the batch size for a device, ``auto`` included."""
    return CPU_BATCH_SIZE if choose_device(device).type == "cpu" else GPU_BATCH_SIZE


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """A run: what is read, what is asked, which model answers, where the rows go and who does the work.

    Attributes:
        corpus: files, directories, globs and manifests; local paths or fsspec URLs.
        output: the output directory, likewise.
        questions: what is asked about every window.
        identity: the model and everything else that decides the text of a window.
        trained: whether the model's text means anything.
        generation: how text is generated.
        sampling: how files are cut into windows, and what the model sees and hears of each.
        device: ``auto`` or a torch device.
        dtype: ``auto`` or the name of a torch dtype.
        quantization: of the language model: None, ``int8`` or ``int4``.
        batch_size: windows per batch.
        runner: a Beam runner; `LOCAL_RUNNER` is the one in this process.
        beam_options: further options for Beam.
        workers: processes on this machine.
        shard: the part of the corpus that this process does.
        selection: which files of the corpus are taken.
        labels: the columns that rows carry from manifests, and their types.
        layout: how the final tables lie in the output.
        streamed: whether the corpus is too long to be planned before the first window is decoded.
        suspects: the ids of windows on which a process has died; the model sees each of them suspects.
        retry_policy: which failures of earlier runs are tried again.
    """

    corpus: tuple[str, ...]
    output: str
    questions: tuple[Question, ...]
    identity: Identity
    trained: bool
    generation: GenerationOptions
    sampling: Sampling
    device: str = "auto"
    dtype: str = "auto"
    quantization: str | None = None
    batch_size: int = CPU_BATCH_SIZE
    runner: str = LOCAL_RUNNER
    beam_options: tuple[str, ...] = ()
    workers: int = 1
    shard: Shard = WHOLE_CORPUS
    selection: Selection = EVERYTHING
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    streamed: bool = False
    layout: Layout = PLAIN
    suspects: tuple[str, ...] = ()
    retry_policy: RetryPolicy = NO_RETRIES

    @property
    def tables(self) -> frozenset[str]:
        """The tables of results that the questions fill."""
        return frozenset(question.table for question in self.questions)

    def to_json(self) -> str:
        """Writes the options down."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "RunOptions":
        """Reads what ``to_json`` has written."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            **{
                **values,
                "corpus": tuple(values["corpus"]),
                "questions": tuple(Question(**question) for question in values["questions"]),
                "identity": Identity(**values["identity"]),
                "sampling": Sampling(**values["sampling"]),
                "generation": GenerationOptions(**values["generation"]),
                "beam_options": tuple(values["beam_options"]),
                "shard": Shard(**values["shard"]),
                "layout": Layout(tuple(values["layout"]["formats"]), values["layout"]["partition_by"]),
                "selection": Selection(**{**values["selection"], "exclude": tuple(values["selection"]["exclude"])}),
                "suspects": tuple(values["suspects"]),
                "retry_policy": RetryPolicy(**values["retry_policy"]),
            }
        )
