"""The values that flow through the pipeline."""

import dataclasses
import functools
import json
import zlib
from typing import Any

from favor.errors import ConfigError, MediaError
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
    """A prompt with an id; caption, qa and transcribe differ only in their questions.

    Attributes:
        table: the table that its answers go to.
        question_id: identifies the question in the table.
        text: the prompt; ``{language}`` in it is replaced by the file's language from the manifest.
        uri: the only media file that it is asked about, or None for all.
        literal: whether ``{language}`` in the text stands for itself.
    """

    table: str
    question_id: str
    text: str
    uri: str | None = None
    literal: bool = False

    @property
    def needs_audio(self) -> bool:
        """Whether there is nothing to answer about a window without sound."""
        return self.table == TRANSCRIPTS

    def about(self, media: MediaFile) -> bool:
        """Returns whether the question is asked about this file."""
        return self.uri is None or self.uri == media.uri

    def asked_of(self, media: MediaFile) -> "Question":
        """Returns the question with its final text for this file.

        Raises:
            MediaError: ``no_language`` if it refers to the file's language, which no manifest gives.
        """
        text = (self.table == CAPTIONS and media.entry.prompt) or self.text
        if LANGUAGE_PLACEHOLDER in text and not self.literal:
            language = media.entry.label("language")
            if language is None:
                raise MediaError("no_language", f"{media.uri}: no manifest gives its language, which {text!r} needs")
            text = text.replace(LANGUAGE_PLACEHOLDER, str(language))
        return dataclasses.replace(self, text=text)


@dataclasses.dataclass(frozen=True)
class Identity:
    """Everything besides the window and the question that determines an answer; row ids are derived from it.

    Window ids are the same for all models, so that their tables can be joined; result ids are not.

    Attributes:
        model: the model's name or folder.
        model_revision: changes when the weights do.
        precision: the requested type and quantization of the weights.
        windowing: how files are cut into windows.
        needs: which frames and sound of a window the model is given.
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
        """The settings shared by all rows of a table, as JSON values; the length of fixed windows may differ."""
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
        """Returns the id of a window of a file that is cut with these settings."""
        return digest(key.media_id, key.start_ms, key.end_ms, self.windowing.audio_track, self.windowing.split)

    def result_id(self, window_id: str, question: Question, entry: Entry = WHOLE_FILE) -> str:
        """Returns the id of this model's answer to a question about a window, for an entry of the corpus."""
        asked = (window_id, question.table, question.question_id, question.text)
        return digest(*asked, *self._answering, *filter(None, [entry.entry_id]))


def identify(card: ModelCard, placement: Placement, windowing: Windowing, generation: GenerationOptions) -> Identity:
    """Returns the identity of a model with its placement, windowing and generation settings."""
    return Identity(card.name, card.revision, placement.precision, windowing, card.needs, generation)


def check_sound(card: ModelCard, windowing: Windowing) -> None:
    """Checks that a model can hear the whole of every window.

    Raises:
        ConfigError: if a window can be longer than the sound that the model hears at once, margins excluded.
    """
    longest, heard = windowing.longest_ms, card.needs.longest_window_ms
    if heard is not None and heard < longest:
        fitting = heard * windowing.window_ms // longest
        raise ConfigError(
            f"{card.name} hears {heard / 1000:g} s of sound at once, but windows can be {longest / 1000:g} s long; "
            f"use --window-seconds {fitting / 1000:g} or less"
        )


@dataclasses.dataclass(frozen=True)
class Job:
    """A window and the questions still to be asked about it."""

    key: WindowKey
    questions: tuple[Question, ...]


@dataclasses.dataclass(frozen=True)
class Segment:
    """Consecutive windows of one file, not yet decoded: small, so that it is cheap to move between workers."""

    media: MediaFile
    jobs: tuple[Job, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """A decoded window on its way to the model; large, so it never crosses a shuffle."""

    media: MediaFile
    job: Job
    clip: Clip


@dataclasses.dataclass(frozen=True)
class Answered:
    """A window whose questions are all answered.

    Attributes:
        window_ms: length of the window in milliseconds.
        rows: for each question, the name of its table and the row.
    """

    window_ms: int
    rows: tuple[tuple[str, Result], ...]


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of a corpus that one of several processes handles; a long film is shared, segment by segment.

    Attributes:
        index: index of the part, from 0.
        total: number of parts.
    """

    index: int = 0
    total: int = 1

    def owns(self, name: str) -> bool:
        """Returns whether the item with this name belongs to this part."""
        return zlib.crc32(name.encode()) % self.total == self.index


WHOLE_CORPUS = Shard()
