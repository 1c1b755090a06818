"""FAVOR: windows of video and questions in, answers out."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from favor import checkpoints
from favor.aligner import Aligner, Modalities
from favor.config import FavorConfig
from favor.encoders.speech import SpeechEncoder, cut_pieces
from favor.encoders.visual import ImageQFormer, VisualEncoder, normalise
from favor.errors import FavorError
from favor.features import Features, frame_slots
from favor.generation import Answer, GenerationOptions, generate
from favor.initialise import initialise
from favor.language import Prompter, build_llm, pad_left, splice
from favor.media.clip import Clip

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class FavorModel(nn.Module):
    """ViT, Whisper, image Q-Former, causal Q-Former and LLM; ``from_pretrained`` makes one that can be used.

    Args:
        config: the sizes.
        prompter: the tokenizers; without them the modules can be used, but no question can be asked.
    """

    def __init__(self, config: FavorConfig, prompter: Prompter | None = None) -> None:
        super().__init__()
        self.config = config
        self._prompter = prompter
        self._folder: Path | None = None
        self.visual = VisualEncoder(config.visual)
        self.image_qformer = ImageQFormer(config.image_qformer, config.visual.hidden_size)
        self.speech = SpeechEncoder(config.speech)
        self.aligner = Aligner(config)
        self.llm = build_llm(config.language, config.lora)

    @classmethod
    def from_pretrained(
        cls, name_or_folder: str | Path, device: str = "auto", dtype: str = "auto", quantization: str | None = None
    ) -> Self:
        """Loads a model that comes with this package, or a folder that ``save_pretrained`` wrote.

        Args:
            name_or_folder: such as "favor-mini".
            device: "auto" for a GPU if there is one, or what torch calls a device.
            dtype: "auto" for float16 on a GPU (the release's) and float32 elsewhere, or one of those or bfloat16.
            quantization: None; no kind is supported yet.

        Raises:
            FavorError: if the folder is no complete model.
            ValueError: for an unknown dtype or quantization.
        """
        if quantization is not None:
            raise ValueError(f"quantization {quantization!r} is not supported; give None")
        place = choose_device(device)
        kind = choose_dtype(dtype, place)
        folder = checkpoints.find_folder(name_or_folder)
        config = checkpoints.read_config(folder)
        with torch.device("meta"):
            model = cls(config, checkpoints.read_prompter(folder, config))
        model._folder = folder
        model._fill(place, kind)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes configuration, weights and tokenizers into a folder."""
        checkpoints.write_folder(self, self.config, self.prompter, Path(folder))

    @property
    def name(self) -> str:
        """The model's name, such as "favor-mini"."""
        return self.config.name

    @property
    def trained(self) -> bool:
        """False for random weights, whose answers mean nothing."""
        return self.config.seed is None

    @cached_property
    def revision(self) -> str:
        """A short hash of the configuration, the tokenizers and the weights that were loaded.

        Raises:
            FavorError: for a model that was not loaded from a folder.
        """
        if self._folder is None:
            raise FavorError("only a model from from_pretrained has a revision; save this one and load it")
        return checkpoints.revision(self.config, self._folder)

    @property
    def prompter(self) -> Prompter:
        """The tokenizers.

        Raises:
            FavorError: if the model was built without them.
        """
        if self._prompter is None:
            raise FavorError("this model was built without tokenizers; load it with FavorModel.from_pretrained")
        return self._prompter

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.llm.device

    @torch.no_grad()
    def encode(self, clips: Sequence[Clip]) -> list[Features]:
        """Runs the frozen encoders, whose output serves any number of questions.

        Raises:
            FavorError: for sound, if the model should hear sound events and cannot.
        """
        return [
            Features(visual=visual, slots=slots, speech=speech, still=clip.still)
            for clip, (visual, slots), speech in zip(
                clips, self._encode_frames(clips), self._encode_speech(clips), strict=True
            )
        ]

    def prompts(self, features: Sequence[Features], questions: Sequence[str]) -> list[Tensor]:
        """Makes what the LLM sees of each pair; gradients flow through it.

        Returns:
            For each pair (length, LLM width).
        """
        visual = self._visual_slots(features, questions)
        tokens = self.aligner(
            [Modalities(v, f.speech, f.sound, f.still) for v, f in zip(visual, features, strict=True)]
        )
        before, after = self.prompter.before_ids(), self.prompter.after_ids(questions)
        embed = self.llm.get_input_embeddings()
        return [splice(embed, before, t, ids) for t, ids in zip(tokens, after, strict=True)]

    @torch.inference_mode()
    def prompt_embeddings(self, clips: Sequence[Clip | Features], questions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Makes what the LLM sees: text and audio-visual tokens.

        Args:
            clips: clips, or their features.
            questions: one for each clip.

        Returns:
            (batch, longest, LLM width), padded with zeros on the left, and (batch, longest) with one where a prompt is.

        Raises:
            ValueError: if the lengths differ or are zero.
        """
        if len(clips) != len(questions) or not clips:
            raise ValueError(f"needs one question for each clip, and at least one; got {len(clips)}, {len(questions)}")
        return pad_left(self.prompts(self._features(clips), questions))

    @torch.inference_mode()
    def answer(
        self,
        clips: Sequence[Clip | Features],
        questions: Sequence[str],
        options: GenerationOptions | None = None,
    ) -> list[Answer]:
        """Answers pairs of a clip and a question in one batch; threads may call it at the same time.

        Args:
            clips: clips, or their features. A clip that is there several times is encoded once.
            questions: one for each clip.
            options: how to generate; greedy and 64 tokens by default.

        Returns:
            One answer for each pair.

        Raises:
            ValueError: if the lengths differ or are zero.
        """
        embeddings, mask = self.prompt_embeddings(clips, questions)
        rows = generate(self.llm, embeddings, mask, options or GenerationOptions())
        return [
            Answer(self.prompter.decode(row.token_ids), row.token_ids, row.finish_reason, row.mean_logprob)
            for row in rows
        ]

    def _fill(self, device: torch.device, dtype: torch.dtype) -> None:
        assert self._folder is not None
        if checkpoints.weight_files(self._folder):
            checkpoints.load_weights(self, self._folder, device, dtype)
        elif self.config.seed is not None:
            self.to_empty(device="cpu")
            initialise(self, self.config.seed)
            self.to(device, dtype)
            checkpoints.restore_buffers(self, device)
        else:
            raise FavorError(f"{self._folder} has a configuration but no *.safetensors; copy the weights there too")

    def _features(self, clips: Sequence[Clip | Features]) -> list[Features]:
        new = {id(clip): clip for clip in clips if isinstance(clip, Clip)}
        encoded = dict(zip(new, self.encode(list(new.values())), strict=True)) if new else {}
        return [clip if isinstance(clip, Features) else encoded[id(clip)] for clip in clips]

    def _encode_frames(self, clips: Sequence[Clip]) -> list[tuple[Tensor | None, Tensor | None]]:
        seen = [_distinct_frames(clip, self.config.visual.image_size, self.device) for clip in clips]
        pixels = [frames for frames, _ in seen if frames is not None]
        encoded = iter(self.visual(torch.cat(pixels)).split([len(p) for p in pixels]) if pixels else ())
        return [(None, None) if frames is None else (next(encoded), slots) for frames, slots in seen]

    def _encode_speech(self, clips: Sequence[Clip]) -> list[Tensor | None]:
        heard = [clip.audio for clip in clips if clip.audio is not None]
        if heard and self.config.sound is not None:
            raise FavorError(f"{self.name} needs a sound-event encoder, which this version lacks; drop the sound")
        pieces = [cut_pieces(torch.tensor(audio, device=self.device)) for audio in heard]
        encoded = iter(self.speech(torch.cat(pieces)).split([len(p) for p in pieces]) if pieces else ())
        return [None if clip.audio is None else next(encoded).flatten(0, 1) for clip in clips]

    def _visual_slots(self, features: Sequence[Features], questions: Sequence[str]) -> list[Tensor | None]:
        """Asks the distinct frames of all pairs together, and shows them in their slots: (T, slots, hidden) each."""
        counts = [0 if f.visual is None else len(f.visual) for f in features]
        visual = [f.visual for f in features if f.visual is not None]
        if not visual:
            return [None] * len(features)
        ids, mask = (t.to(self.device) for t in self.prompter.question_ids(questions))
        asked = torch.arange(len(features), device=self.device).repeat_interleave(
            torch.tensor(counts, device=self.device)
        )
        outputs = self.image_qformer(torch.cat(visual), ids[asked], mask[asked]).split(counts)
        return [None if f.slots is None else out[f.slots] for f, out in zip(features, outputs, strict=True)]


def choose_device(device: str) -> torch.device:
    """The device of a name, "auto" being a GPU if there is one.

    Raises:
        FavorError: if there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise FavorError(f"device {device!r} is unknown; give auto, cpu, cuda or cuda:1") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise FavorError(f"device {device!r}: torch finds no CUDA GPU here; give cpu or auto")
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The type of a name, "auto" being float16 on a GPU and float32 elsewhere.

    Raises:
        ValueError: for an unknown name.
    """
    if dtype == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is unknown; it must be auto or one of {', '.join(DTYPES)}")
    return DTYPES[dtype]


def _distinct_frames(clip: Clip, size: int, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    """The normalised frames (n, 3, size, size) that a clip shows, and which of them each of its slots (T,) shows."""
    if clip.frames is None or clip.frame_times is None:
        return None, None
    shown, slots = frame_slots(clip.frame_times)
    frames = torch.as_tensor(clip.frames[shown], device=device)
    return normalise(frames, size, clip.still), torch.as_tensor(slots, device=device)
