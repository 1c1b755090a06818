"""FAVOR: windows of video and questions in, answers out."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from favor.errors import FavorError
from favor.media.clip import Clip
from favor.models.base import Answer, GenerationOptions
from favor.models.favor.aligner import Aligner, Modalities
from favor.models.favor.budget import sub_batches, token_budget
from favor.models.favor.config import FavorConfig
from favor.models.favor.encoders.sound import SoundEncoder
from favor.models.favor.encoders.speech import SpeechEncoder
from favor.models.favor.encoders.visual import ImageQFormer, VisualEncoder
from favor.models.favor.features import Features, encode_frames, encode_sound, encode_speech
from favor.models.favor.folder import find_folder, read_config, read_prompter, revision, weight_files, write_folder
from favor.models.favor.generation import generate_tokens
from favor.models.favor.language import Prompter, build_llm, pad_left, splice
from favor.models.favor.loading import load_weights, make_weights
from favor.models.placement import Placement, check_quantization, choose_device, choose_dtype


class FavorModel(nn.Module):
    """ViT, Whisper, BEATs, image Q-Former, causal Q-Former and LLM; ``from_pretrained`` makes one that can be used.

    Args:
        config: the sizes.
        prompter: the tokenizers; without them the modules can be used, but no question can be asked.
    """

    def __init__(self, config: FavorConfig, prompter: Prompter | None = None) -> None:
        super().__init__()
        self.config = config
        self._prompter = prompter
        self._folder: Path | None = None
        self.placement: Placement | None = None
        self.visual = VisualEncoder(config.visual)
        self.image_qformer = ImageQFormer(config.image_qformer, config.visual.hidden_size)
        self.speech = SpeechEncoder(config.speech)
        self.sound = SoundEncoder(config.sound) if config.sound else None
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
            quantization: "int8" or "int4" for the linear layers of the LLM, or None; such a model cannot be saved.

        Raises:
            FavorError: if the folder is no complete model, or for an unknown device, dtype or quantization.
        """
        place = choose_device(device)
        placement = Placement(place, choose_dtype(dtype, place), check_quantization(quantization))
        folder = find_folder(name_or_folder)
        config = read_config(folder)
        with torch.device("meta"):
            model = cls(config, read_prompter(folder, config))
        model._folder, model.placement = folder, placement
        model._fill(placement)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes configuration, weights and tokenizers into a folder.

        Raises:
            FavorError: if the weights are quantized.
        """
        if self.placement is not None and self.placement.quantization is not None:
            raise FavorError(f"the weights are {self.placement.quantization} and lost bits; load the model without")
        write_folder(self, self.config, self.prompter, Path(folder))

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
        return revision(self.config, self._folder)

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

    @cached_property
    def token_budget(self) -> int:
        """Tokens of prompts and answers, beams included, that are generated at once; it may be set."""
        return token_budget(self.config, self.device, self.llm.dtype)

    @torch.no_grad()
    def encode(self, clips: Sequence[Clip]) -> list[Features]:
        """Runs the frozen encoders, whose output serves any number of questions."""
        return self.perceive(clips)

    def perceive(self, clips: Sequence[Clip]) -> list[Features]:
        """Runs the encoders; gradients flow through those that are trained."""
        sizes = self.config.visual
        frames = encode_frames(self.visual, clips, sizes.image_size, self.config.speech.piece_frames, self.device)
        speech = encode_speech(self.speech, clips, self.config.speech, self.device)
        sound = self._encode_sound(clips)
        return [
            Features(visual, slots, speech, sound)
            for (visual, slots), speech, sound in zip(frames, speech, sound, strict=True)
        ]

    def prompts(self, features: Sequence[Features], questions: Sequence[str]) -> list[Tensor]:
        """Makes what the LLM sees of each pair; gradients flow through it.

        Returns:
            For each pair (length, LLM width).
        """
        return self.splice(self.aligner(self.modalities(features, questions)), questions)

    def modalities(self, features: Sequence[Features], questions: Sequence[str]) -> list[Modalities]:
        """Shows each question its clip; gradients flow through it."""
        visual = self._visual_slots(features, questions)
        return [Modalities(v, f.speech, f.sound) for v, f in zip(visual, features, strict=True)]

    def splice(self, tokens: Sequence[Tensor], questions: Sequence[str]) -> list[Tensor]:
        """Puts audio-visual tokens (n, LLM width) of each question into its prompt: (length, LLM width) each."""
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
        _check_pairs(clips, questions)
        return pad_left(self.prompts(self._features(clips), questions))

    @torch.inference_mode()
    def answer(
        self,
        clips: Sequence[Clip | Features],
        questions: Sequence[str],
        options: GenerationOptions | None = None,
    ) -> list[Answer]:
        """Answers pairs of a clip and a question, as many at once as ``token_budget`` allows; threads may share it.

        Args:
            clips: clips, or their features. A clip that is there several times is encoded once.
            questions: one for each clip.
            options: how to generate_tokens; greedy and 64 tokens by default.

        Returns:
            One answer for each pair; it does not depend on the others.

        Raises:
            ValueError: if the lengths differ or are zero.
        """
        _check_pairs(clips, questions)
        options = options or GenerationOptions()
        features = self._features(clips)
        lengths = self._prompt_lengths(features, questions)
        answers: dict[int, Answer] = {}
        for places in sub_batches(lengths, options.max_new_tokens, options.num_beams, self.token_budget):
            batch = [features[place] for place in places], [questions[place] for place in places]
            answers |= zip(places, self._answer(*batch, options), strict=True)
        return [answers[place] for place in range(len(clips))]

    def _answer(
        self, features: Sequence[Features], questions: Sequence[str], options: GenerationOptions
    ) -> list[Answer]:
        rows = generate_tokens(self.llm, *pad_left(self.prompts(features, questions)), options)
        return [
            Answer(self.prompter.decode(row.token_ids), row.token_ids, row.finish_reason, row.mean_logprob)
            for row in rows
        ]

    def _prompt_lengths(self, features: Sequence[Features], questions: Sequence[str]) -> list[int]:
        before, after = len(self.prompter.before_ids()), self.prompter.after_ids(questions)
        count = self.config.causal_qformer.llm_tokens
        return [before + count(f.frames) + len(ids) for f, ids in zip(features, after, strict=True)]

    def _fill(self, placement: Placement) -> None:
        assert self._folder is not None
        if weight_files(self._folder):
            load_weights(self, self._folder, placement)
        elif self.config.seed is not None:
            make_weights(self, self.config.seed, placement)
        else:
            raise FavorError(f"{self._folder} has a configuration but no *.safetensors; copy the weights there too")

    def _features(self, clips: Sequence[Clip | Features]) -> list[Features]:
        new = {id(clip): clip for clip in clips if isinstance(clip, Clip)}
        encoded = dict(zip(new, self.encode(list(new.values())), strict=True)) if new else {}
        return [clip if isinstance(clip, Features) else encoded[id(clip)] for clip in clips]

    def _encode_sound(self, clips: Sequence[Clip]) -> list[Tensor | None]:
        if self.sound is None:
            return [None] * len(clips)
        return encode_sound(self.sound, clips, self.config.speech, self.device)

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


def _check_pairs(clips: Sequence[Clip | Features], questions: Sequence[str]) -> None:
    if len(clips) != len(questions) or not clips:
        raise ValueError(f"needs one question for each clip, and at least one; got {len(clips)}, {len(questions)}")
