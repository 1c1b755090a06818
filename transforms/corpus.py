"""The steps from a corpus to segments, which run `Lister` and `Planner` in Beam."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from favor.media.corpus.files import MediaFile, NamedFile
from favor.media.corpus.selection import EVERYTHING, Selection
from favor.media.sampling import SCENES
from favor.media.scenes.cuts import check_installed
from transforms.elements import Identity, Question, Shard
from transforms.history import History
from transforms.listing import Lister
from transforms.planning import Planner
from transforms.rows import FAILURES, MEDIA, Failure, MediaRow
from transforms.runtime import Runtime


@dataclasses.dataclass
class ListCorpus(beam.DoFn):
    """Turns patterns and manifests into media files and failures; see `Lister`.

    Attributes:
        shard: the part of the corpus that this process handles.
        runtime: what the run's steps share.
        selection: which of the files are taken.
        label_types: the labels that manifests carry, and their types.
        load_history: returns the history of earlier runs; called once on each worker.
    """

    shard: Shard
    runtime: Runtime
    selection: Selection = EVERYTHING
    label_types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    load_history: Callable[[], History] = History

    def setup(self) -> None:
        """Reads the history of earlier runs."""
        self._lister = Lister(self.shard, self.runtime.tally, self.selection, self.label_types, self.load_history())

    def process(self, patterns: Iterable[str]) -> Iterator[Any]:
        """Yields media files, and failures in a separate output."""
        return map(tagged, self._lister.list(patterns))


@dataclasses.dataclass
class PlanSegments(beam.DoFn):
    """Turns media files into segments, rows of ``media`` and failures; see `Planner`.

    Attributes:
        questions: all questions that may be asked.
        identity: how files are cut into windows, and what determines the ids.
        shard: the part of the corpus that this process handles.
        load_history: returns the history of earlier runs; called once on each worker.
        runtime: what the run's steps share.
    """

    questions: tuple[Question, ...]
    identity: Identity
    shard: Shard
    load_history: Callable[[], History]
    runtime: Runtime

    def setup(self) -> None:
        """Reads the history of earlier runs.

        Raises:
            FavorError: if scenes are to be detected and the packages for it are not installed.
        """
        if self.identity.windowing.split == SCENES:
            check_installed()
        asked = (self.questions, self.identity, self.shard)
        self._planner = Planner(*asked, self.load_history(), self.runtime.decoder, self.runtime.tally)

    def process(self, item: MediaFile | NamedFile) -> Iterator[Any]:
        """Yields segments, and the entry's row of ``media`` and failures in separate outputs."""
        return map(tagged, self._planner.plan(item))


def tagged(item: Any) -> Any:
    """Tags failures and rows of ``media`` for their separate outputs."""
    tag = {Failure: FAILURES, MediaRow: MEDIA}.get(type(item))
    return TaggedOutput(tag, item) if tag else item
