"""The FAVOR model: from windows of video and questions to answers."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from favor.errors import FavorError
from favor.media.clip import Clip
from favor.models.base import Answer, GenerationOptions, Modality, Prompt
from favor.models.favor.aligner import Aligner, Modalities
from favor.models.favor.budget import sub_batches, token_budget
from favor.models.favor.config import FavorConfig
from favor.models.favor.encoders.sound import SoundEncoder
from favor.models.favor.encoders.speech import SpeechEncoder
from favor.models.favor.encoders.visual import ImageQFormer, VisualEncoder
from favor.models.favor.family import FavorCard, FavorFamily
from favor.models.favor.features import Features, encode_frames, encode_sound, encode_speech
from favor.models.favor.folder import find_folder, read_config, weight_files
from favor.models.favor.generation import generate_tokens, score_tokens
from favor.models.favor.language import Prompter, build_llm, pad_left, read_prompter, splice
from favor.models.favor.loading import load_weights, make_weights
from favor.models.favor.saving import write_folder
from favor.models.placement import Placement, ResolvedPlacement
from favor.prompts import dialogue

Subject = Clip | Features | None  # of a question: a clip, its features, or nothing


class FavorModel(nn.Module):
    """ViT, Whisper, BEATs, image Q-Former, causal Q-Former and LLM; ``from_pretrained`` loads one with its weights.

    Args:
        config: the sizes.
        prompter: the tokenizers; without them the modules work, but questions cannot be encoded.
    """

    def __init__(self, config: FavorConfig, prompter: Prompter | None = None) -> None:
        super().__init__()
        self.config = config
        self._prompter = prompter
        self._name: str | None = None
        self.placement: ResolvedPlacement | None = None
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
        """Loads a packaged model, or a folder that ``save_pretrained`` wrote.

        Args:
            name_or_folder: name of a packaged model, such as "favor-mini", or a model folder.
            device: "auto" for a GPU if there is one, or a torch device name.
            dtype: "float16", "float32", "bfloat16", or "auto" for float16 on a GPU (as released) and float32 elsewhere.
            quantization: "int8" or "int4" for the linear layers of the LLM, or None; such a model cannot be saved.

        Raises:
            FavorError: if the folder is not a complete model, or for an unknown device, dtype or quantization.
        """
        placement = Placement(device, dtype, quantization).resolved()
        folder = find_folder(name_or_folder)
        config = read_config(folder)
        with torch.device("meta"):
            model = cls(config, read_prompter(folder, config))
        model._name, model.placement = str(name_or_folder), placement
        model._fill(folder, placement)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes configuration, weights and tokenizers into a folder.

        Raises:
            FavorError: if the weights are quantized.
        """
        if self.placement is not None and self.placement.quantization is not None:
            raise FavorError(
                f"{self.placement.quantization} weights cannot be saved; load the model without quantization"
            )
        write_folder(self, self.config, self.prompter, Path(folder))

    @cached_property
    def card(self) -> FavorCard:
        """The card that `favor.describe` returns for this model.

        Raises:
            FavorError: for a model that was not loaded from a folder.
        """
        if self._name is None:
            raise FavorError("only a model from from_pretrained has a card; save this one and load it")
        return FavorFamily().describe(self._name)

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
    def device(self) -> str:
        """The device the model computes on, such as ``cuda:0``."""
        return str(self.llm.device)

    @cached_property
    def token_budget(self) -> int:
        """Tokens of prompts and answers, beams included, in a batch of generation; may be assigned."""
        return token_budget(self.config, self.llm.device, self.llm.dtype)

    @torch.no_grad()
    def encode(self, clips: Sequence[Clip]) -> list[Features]:
        """Runs the frozen encoders, whose output serves any number of questions."""
        return self.perceive(clips)

    def perceive(self, clips: Sequence[Clip]) -> list[Features]:
        """Runs the encoders; gradients flow through the trained ones."""
        sizes = self.config.visual
        frames = encode_frames(self.visual, clips, sizes.image_size, self.config.speech.piece_frames, self.llm.device)
        speech = encode_speech(self.speech, clips, self.config.speech, self.llm.device)
        sound = self._encode_sound(clips)
        return [
            Features(visual, slots, speech, sound)
            for (visual, slots), speech, sound in zip(frames, speech, sound, strict=True)
        ]

    def prompts(self, features: Sequence[Features | None], questions: Sequence[str]) -> list[Tensor]:
        """Builds the LLM's input for each pair; gradients flow through it.

        Args:
            features: features of the clips; None for a question without a clip.
            questions: one per clip.

        Returns:
            For each pair, (length, LLM width).
        """
        seen = [(f, question) for f, question in zip(features, questions, strict=True) if f is not None]
        tokens = iter(self.aligner(self.modalities(*zip(*seen, strict=True))) if seen else ())
        return self.splice([self.no_tokens() if f is None else next(tokens) for f in features], questions)

    def no_tokens(self) -> Tensor:
        """Returns the audio-visual tokens of a question without a clip: (0, LLM width)."""
        weight = self.aligner.llm_proj.weight
        return weight.new_zeros(0, len(weight))

    def modalities(self, features: Sequence[Features], questions: Sequence[str]) -> list[Modalities]:
        """Runs the image Q-Former on each pair of a clip and a question; gradients flow through it."""
        visual = self._visual_slots(features, questions)
        return [Modalities(v, f.speech, f.sound) for v, f in zip(visual, features, strict=True)]

    def splice(self, tokens: Sequence[Tensor], questions: Sequence[str]) -> list[Tensor]:
        """Puts audio-visual tokens (n, LLM width) of each question into its prompt: (length, LLM width) each."""
        before, after = self.prompter.before_ids(), self.prompter.after_ids(questions)
        embed = self.llm.get_input_embeddings()
        return [splice(embed, before, t, ids) for t, ids in zip(tokens, after, strict=True)]

    @torch.inference_mode()
    def prompt_embeddings(self, clips: Sequence[Subject], questions: Sequence[str | Prompt]) -> tuple[Tensor, Tensor]:
        """Builds the LLM's input: embeddings of text, and audio-visual tokens.

        Args:
            clips: as for `answer`.
            questions: one per clip.

        Returns:
            (batch, longest, LLM width), padded with zeros on the left, and the mask (batch, longest), zero for padding.

        Raises:
            ValueError: if the lengths differ or are zero.
        """
        return pad_left(self.prompts(*self._pairs(clips, questions)))

    @torch.inference_mode()
    def answer(
        self,
        clips: Sequence[Subject],
        questions: Sequence[str | Prompt],
        options: GenerationOptions | None = None,
    ) -> list[Answer]:
        """Answers pairs of a clip and a question, in batches that fit ``token_budget``; thread-safe.

        Args:
            clips: clips, their features, or None for questions without a clip. A clip that occurs several times is
                encoded once.
            questions: one per clip; a string is a `Prompt` without earlier turns that may use the whole clip. If its
                modalities leave nothing of the clip, it is a question without a clip.
            options: generation options; by default greedy search and at most 64 tokens.

        Returns:
            One answer per pair, independent of the other pairs.

        Raises:
            ValueError: if the lengths differ or are zero.
        """
        options = options or GenerationOptions()
        features, instructions = self._pairs(clips, questions)
        lengths = self._prompt_lengths(features, instructions)
        answers: dict[int, Answer] = {}
        for places in sub_batches(lengths, options.max_new_tokens, options.num_beams, self.token_budget):
            batch = [features[place] for place in places], [instructions[place] for place in places]
            answers |= zip(places, self._answer(*batch, options), strict=True)
        return [answers[place] for place in range(len(clips))]

    @torch.inference_mode()
    def score(
        self, clips: Sequence[Subject], questions: Sequence[str | Prompt], texts: Sequence[str]
    ) -> list[tuple[float, ...]]:
        """Computes the log-probabilities of given answers under the model's own distribution.

        Args:
            clips: as for `answer`.
            questions: one per clip.
            texts: one answer per question.

        Returns:
            For each text, the log-probabilities of its tokens in nats, end token included.

        Raises:
            ValueError: if the lengths differ or are zero.
        """
        features, instructions = self._pairs(clips, questions)
        rows = self.prompter.answer_ids(texts)
        lengths = [n + len(row) for n, row in zip(self._prompt_lengths(features, instructions), rows, strict=True)]
        scores: dict[int, tuple[float, ...]] = {}
        for places in sub_batches(lengths, 0, 1, self.token_budget):
            prompts = self.prompts([features[place] for place in places], [instructions[place] for place in places])
            logprobs = score_tokens(self.llm, *pad_left(prompts), [rows[place] for place in places])
            scores |= {
                place: tuple(row[: len(rows[place])].tolist()) for place, row in zip(places, logprobs, strict=True)
            }
        return [scores[place] for place in range(len(rows))]

    def _answer(
        self, features: Sequence[Features | None], questions: Sequence[str], options: GenerationOptions
    ) -> list[Answer]:
        rows = generate_tokens(self.llm, *pad_left(self.prompts(features, questions)), options)
        return [
            Answer(self.prompter.decode(row.token_ids), row.token_ids, row.finish_reason, row.mean_logprob)
            for row in rows
        ]

    def _pairs(
        self, clips: Sequence[Subject], questions: Sequence[str | Prompt]
    ) -> tuple[list[Features | None], list[str]]:
        """Encodes clips, drops the modalities that a prompt masks, and writes each dialogue as one instruction."""
        if len(clips) != len(questions) or not clips:
            raise ValueError(f"needs one question for each clip, and at least one; got {len(clips)}, {len(questions)}")
        prompts = [Prompt(question) if isinstance(question, str) else question for question in questions]
        shown = zip(self._features(clips), prompts, strict=True)
        features = [None if f is None else _only(f, prompt.modalities) for f, prompt in shown]
        return features, [dialogue(prompt.turns, prompt.text) for prompt in prompts]

    def _prompt_lengths(self, features: Sequence[Features | None], questions: Sequence[str]) -> list[int]:
        before, after = len(self.prompter.before_ids()), self.prompter.after_ids(questions)
        count = self.config.causal_qformer.llm_tokens
        frames = [0 if f is None else f.frames for f in features]
        return [before + count(n) + len(ids) for n, ids in zip(frames, after, strict=True)]

    def _fill(self, folder: Path, placement: ResolvedPlacement) -> None:
        if weight_files(folder):
            load_weights(self, folder, placement)
        elif self.config.seed is not None:
            make_weights(self, self.config.seed, placement)
        else:
            raise FavorError(f"{folder} has a configuration but no *.safetensors; copy the weights there too")

    def _features(self, clips: Sequence[Subject]) -> list[Features | None]:
        new = {id(clip): clip for clip in clips if isinstance(clip, Clip)}
        encoded = dict(zip(new, self.encode(list(new.values())), strict=True)) if new else {}
        return [encoded[id(clip)] if isinstance(clip, Clip) else clip for clip in clips]

    def _encode_sound(self, clips: Sequence[Clip]) -> list[Tensor | None]:
        if self.sound is None:
            return [None] * len(clips)
        return encode_sound(self.sound, clips, self.config.speech, self.llm.device)

    def _visual_slots(self, features: Sequence[Features], questions: Sequence[str]) -> list[Tensor | None]:
        """Runs the image Q-Former on all distinct frames, and lays them out by slot: (T, slots, hidden) per pair."""
        counts = [0 if f.visual is None else len(f.visual) for f in features]
        visual = [f.visual for f in features if f.visual is not None]
        if not visual:
            return [None] * len(features)
        ids, mask = (t.to(self.llm.device) for t in self.prompter.question_ids(questions))
        pair_of_frame = torch.arange(len(features), device=self.llm.device).repeat_interleave(
            torch.tensor(counts, device=self.llm.device)
        )
        outputs = self.image_qformer(torch.cat(visual), ids[pair_of_frame], mask[pair_of_frame]).split(counts)
        return [None if f.slots is None else out[f.slots] for f, out in zip(features, outputs, strict=True)]


def _only(features: Features, modalities: frozenset[Modality]) -> Features | None:
    """Drops all but some modalities; None if nothing is left."""
    if "picture" not in modalities:
        features = dataclasses.replace(features, visual=None, slots=None)
    if "sound" not in modalities:
        features = dataclasses.replace(features, speech=None, sound=None)
    return features if features.frames else None
