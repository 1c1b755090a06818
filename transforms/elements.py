"""The values that flow through the pipeline."""

import dataclasses
import functools
import json
import zlib
from typing import Any

from favor.errors import MediaError
from favor.media.clip import Clip
from favor.media.corpus.files import WHOLE_FILE, Entry, MediaFile, WindowKey, digest
from favor.media.needs import ClipNeeds
from favor.media.sampling import FIXED, Windowing
from favor.models.base import GenerationOptions, ModelCard
from favor.models.placement import Placement
from favor.structs import to_json
from transforms.rows import CAPTIONS, TRANSCRIPTS, Result

LANGUAGE_PLACEHOLDER = "{language}"


@dataclasses.dataclass(frozen=True)
class Question:
    """A prompt with an id; caption, qa and transcribe differ in their questions only.

    Attributes:
        table: where its answers go.
        question_id: names the question in the table.
        text: the prompt; ``{language}`` in it stands for the language that a manifest gives.
        uri: the only media file that it is about, or None for all.
    """

    table: str
    question_id: str
    text: str
    uri: str | None = None

    @property
    def needs_audio(self) -> bool:
        """Whether there is nothing to answer about a window without sound."""
        return self.table == TRANSCRIPTS

    def about(self, media: MediaFile) -> bool:
        """Whether the question is asked about this file."""
        return self.uri is None or self.uri == media.uri

    def asked_of(self, media: MediaFile) -> "Question":
        """Returns the question in the words in which it is asked about this file.

        Raises:
            MediaError: ``no_language`` if it names the file's language, which no manifest gives.
        """
        text = (self.table == CAPTIONS and media.entry.prompt) or self.text
        if LANGUAGE_PLACEHOLDER in text:
            language = media.entry.label("language")
            if language is None:
                raise MediaError("no_language", f"{media.uri}: no manifest gives its language, which {text!r} needs")
            text = text.replace(LANGUAGE_PLACEHOLDER, str(language))
        return dataclasses.replace(self, text=text)


@dataclasses.dataclass(frozen=True)
class Identity:
    """What decides the text of a window besides the window and the question; the ids of rows are made from it.

    A window is the same for all models, so that their tables can be joined; its answer is not.

    Attributes:
        model: the model's name or folder.
        model_revision: changes when the weights do.
        precision: the type and the quantization of the weights, as they were asked for.
        windowing: how files are cut into windows.
        needs: what of a window the model is shown.
        generation: how text is generated.
    """

    model: str
    model_revision: str
    precision: str
    windowing: Windowing
    needs: ClipNeeds
    generation: GenerationOptions

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """What the rows of a table have in common, as JSON values; the length of fixed windows may differ."""
        windows = to_json(self.windowing)
        if self.windowing.split == FIXED:
            del windows["window_ms"]
        return {
            "model": self.model,
            "model_revision": self.model_revision,
            "precision": self.precision,
            "windows": windows,
            "needs": to_json(self.needs),
            "generation": to_json(self.generation),
        }

    @functools.cached_property
    def _answering(self) -> tuple[str, ...]:
        settings = (self.settings[name] for name in ("needs", "model_revision", "precision", "generation"))
        return tuple(json.dumps(value, sort_keys=True) for value in settings)

    def window_id(self, key: WindowKey) -> str:
        """Returns the id of a window of a file, cut in this way."""
        return digest(key.media_id, key.start_ms, key.end_ms, self.windowing.audio_track, self.windowing.split)

    def result_id(self, window_id: str, question: Question, entry: Entry = WHOLE_FILE) -> str:
        """Returns the id of this model's answer to the question about the window, for an entry of the corpus."""
        asked = (window_id, question.table, question.question_id, question.text)
        return digest(*asked, *self._answering, *filter(None, [entry.entry_id]))


def identify(card: ModelCard, placement: Placement, windowing: Windowing, generation: GenerationOptions) -> Identity:
    """Returns what decides the text that a model, loaded in this way, says of a window."""
    return Identity(card.name, card.revision, placement.precision, windowing, card.needs, generation)


@dataclasses.dataclass(frozen=True)
class Job:
    """A window and what is still to be asked about it."""

    key: WindowKey
    questions: tuple[Question, ...]


@dataclasses.dataclass(frozen=True)
class Segment:
    """Neighbouring windows of one file: small, so that it is cheap to move between workers."""

    media: MediaFile
    jobs: tuple[Job, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """A decoded window on its way to the model; big, so that it never crosses a shuffle."""

    media: MediaFile
    job: Job
    clip: Clip


@dataclasses.dataclass(frozen=True)
class Answered:
    """A window whose questions are all answered: a row for each, with the table that it belongs to."""

    window_ms: int
    rows: tuple[tuple[str, Result], ...]


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of a corpus that one of several processes does; segments are dealt out, so that one long film is shared.

    Attributes:
        index: which part, from 0.
        total: how many parts there are.
    """

    index: int = 0
    total: int = 1

    def owns(self, name: str) -> bool:
        """Whether what has this name is in this part."""
        return zlib.crc32(name.encode()) % self.total == self.index


WHOLE_CORPUS = Shard()
