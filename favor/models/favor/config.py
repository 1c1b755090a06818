"""The sizes that define a FAVOR model's graph, as frozen dataclasses that read and write JSON."""

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal, Self

from favor.errors import ConfigError
from favor.media.needs import ClipNeeds, FrameRule, Square
from favor.structs import merge_values, read_dataclass, to_json

FRAMES_PER_SECOND = 2  # FAVOR's time step is half a second (spec section 1, fact 5)
SPEECH_TOKENS_PER_FRAME = 25  # Whisper's 50 Hz times 0.5 s
SPEECH_TOKEN_SAMPLES = 320  # at 16 kHz

Direction = Literal["released", "paper", "none"]


def _check_heads(section: str, width: int, heads: int) -> None:
    if heads < 1 or width % heads:
        raise ConfigError(f"{section}: width {width} cannot be split over {heads} attention heads; change one of them")


@dataclasses.dataclass(frozen=True)
class VisualConfig:
    """Sizes of the ViT, named as in ``InstructBlipVisionConfig``."""

    hidden_size: int = 1408
    intermediate_size: int = 6144
    num_hidden_layers: int = 39
    num_attention_heads: int = 16
    image_size: int = 224
    patch_size: int = 14
    layer_norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        _check_heads("visual", self.hidden_size, self.num_attention_heads)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"visual.image_size {self.image_size} is not a multiple of visual.patch_size {self.patch_size}; "
                "change one of them"
            )

    @property
    def tokens(self) -> int:
        """Tokens of a frame: its patches and the class token."""
        return (self.image_size // self.patch_size) ** 2 + 1


@dataclasses.dataclass(frozen=True)
class ImageQFormerConfig:
    """Sizes of the image Q-Former, named as in ``InstructBlipQFormerConfig``.

    Attributes:
        num_query_tokens: queries, and thus visual slots, per frame.
    """

    vocab_size: int = 30523  # bert-base-uncased and [DEC]
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    cross_attention_frequency: int = 2
    layer_norm_eps: float = 1e-12
    num_query_tokens: int = 32

    def __post_init__(self) -> None:
        _check_heads("image_qformer", self.hidden_size, self.num_attention_heads)
        if self.num_query_tokens < SPEECH_TOKENS_PER_FRAME:
            raise ConfigError(
                f"image_qformer.num_query_tokens {self.num_query_tokens} leaves too few slots for the "
                f"{SPEECH_TOKENS_PER_FRAME} audio tokens of a frame; use {SPEECH_TOKENS_PER_FRAME} or more"
            )


@dataclasses.dataclass(frozen=True)
class SpeechConfig:
    """Sizes of the speech encoder, named as in ``WhisperConfig``."""

    d_model: int = 1280
    encoder_layers: int = 32
    encoder_attention_heads: int = 20
    encoder_ffn_dim: int = 5120
    num_mel_bins: int = 80
    max_source_positions: int = 1500  # 30 s

    def __post_init__(self) -> None:
        _check_heads("speech", self.d_model, self.encoder_attention_heads)
        if not self.max_source_positions or self.max_source_positions % SPEECH_TOKENS_PER_FRAME:
            raise ConfigError(
                f"speech.max_source_positions {self.max_source_positions} is not a multiple of the "
                f"{SPEECH_TOKENS_PER_FRAME} tokens of a frame; use 1500, Whisper's 30 s"
            )

    @property
    def piece_frames(self) -> int:
        """Half seconds that the encoder takes at a time; sound is padded with silence to a multiple of them."""
        return self.max_source_positions // SPEECH_TOKENS_PER_FRAME

    @property
    def piece_samples(self) -> int:
        """Samples at 16 kHz that the encoder takes at a time."""
        return self.max_source_positions * SPEECH_TOKEN_SAMPLES


@dataclasses.dataclass(frozen=True)
class SoundConfig:
    """Sizes of the sound-event encoder, named as in BEATs."""

    encoder_embed_dim: int = 768
    encoder_layers: int = 12
    encoder_attention_heads: int = 12
    encoder_ffn_embed_dim: int = 3072
    embed_dim: int = 512
    input_patch_size: int = 16
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800

    def __post_init__(self) -> None:
        _check_heads("sound", self.encoder_embed_dim, self.encoder_attention_heads)
        if self.conv_pos_groups < 1 or self.encoder_embed_dim % self.conv_pos_groups:
            raise ConfigError(
                f"sound.encoder_embed_dim {self.encoder_embed_dim} is not a multiple of sound.conv_pos_groups "
                f"{self.conv_pos_groups}; change one of them"
            )
        if self.num_buckets < 4 or self.max_distance <= self.num_buckets // 4:
            raise ConfigError(
                f"sound.max_distance {self.max_distance} must exceed the {self.num_buckets // 4} distances that have a "
                f"bucket of their own, of sound.num_buckets {self.num_buckets}, at least 4"
            )
        if not 1 <= self.input_patch_size <= 128:
            raise ConfigError(f"sound.input_patch_size {self.input_patch_size} must be from 1 to the 128 mel bins")


@dataclasses.dataclass(frozen=True)
class CausalQFormerConfig:
    """Sizes of the causal Q-Former.

    Attributes:
        resolutions: (frames per block, queries per block) of each resolution, the coarsest first.
        max_positions: rows of the learned position table; a block's tokens must fit in it (fact 9).
        direction: which frames of its block a frame attends to: "released" j >= i, "paper" j <= i (fact 1); "none"
            leaves out causal attention, so that only the queries attend to frames.
    """

    hidden_size: int = 768
    num_hidden_layers: int = 2
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_dropout_prob: float = 0.1
    resolutions: tuple[tuple[int, int], ...] = ((10, 32),)
    max_positions: int = 4096
    direction: Direction = "released"

    def __post_init__(self) -> None:
        _check_heads("causal_qformer", self.hidden_size, self.num_attention_heads)
        if not self.resolutions:
            raise ConfigError("causal_qformer.resolutions is empty; give at least one, such as [[10, 32]]")
        for frames, queries in self.resolutions:
            if (
                frames < 1
                or queries < 1
                or self.block_frames % frames
                or frames * self.block_queries != queries * self.block_frames
            ):
                raise ConfigError(
                    f"causal_qformer.resolutions {self.resolutions}: ({frames}, {queries}) does not split the first "
                    f"resolution's blocks of {self.block_frames} frames into the same {self.block_queries} tokens"
                )

    @property
    def block_frames(self) -> int:
        """Frames of the coarsest block; a window is padded to a multiple of them."""
        return self.resolutions[0][0]

    @property
    def block_queries(self) -> int:
        """LLM tokens of the coarsest block."""
        return self.resolutions[0][1]

    def llm_tokens(self, frames: int) -> int:
        """Returns the number of LLM tokens for a number of frames; the last block is padded."""
        return -(-frames // self.block_frames) * self.block_queries


@dataclasses.dataclass(frozen=True)
class LanguageConfig:
    """Sizes of the LLM, named as in ``LlamaConfig``."""

    vocab_size: int = 32000
    hidden_size: int = 5120
    intermediate_size: int = 13824
    num_hidden_layers: int = 40
    num_attention_heads: int = 40
    num_key_value_heads: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    bos_token_id: int = 1
    eos_token_id: int = 2
    pad_token_id: int | None = 0

    def __post_init__(self) -> None:
        _check_heads("language", self.hidden_size, self.num_attention_heads)


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """The low-rank adapters of the LLM's attention (spec section 2)."""

    rank: int = 32
    alpha: float = 32
    dropout: float = 0.1
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclasses.dataclass(frozen=True)
class PromptConfig:
    """The text around the audio-visual tokens (spec section 3).

    Attributes:
        before: text between BOS and the audio-visual tokens.
        after: text after them; ``{instruction}`` stands for the question or dialogue.
        max_question_tokens: maximum length of the image Q-Former's instruction; a longer one is cut on the left.
    """

    before: str = "USER: <Img>"
    after: str = "</Img> {instruction}\nASSISTANT:"
    max_question_tokens: int = 256

    def __post_init__(self) -> None:
        if "{instruction}" not in self.after:
            raise ConfigError(f"prompt.after {self.after!r} lacks {{instruction}}, the place of the question")


@dataclasses.dataclass(frozen=True)
class FavorConfig:
    """Everything that defines a model's graph.

    Attributes:
        sound: BEATs' sizes (video-SALMONN), or None for a model without sound-event encoder (FAVOR).
        lora: the LLM's adapters, or None for an LLM without any.
        frame_sampling: which frames of a video the model was designed for: "released", the first and the last of each
            second (fact 7), or "even", two evenly spaced ones.
        seed: seed of the random weights of an untrained model; None for a trained one.
    """

    name: str = "favor-13b"
    visual: VisualConfig = VisualConfig()
    image_qformer: ImageQFormerConfig = ImageQFormerConfig()
    speech: SpeechConfig = SpeechConfig()
    sound: SoundConfig | None = None
    causal_qformer: CausalQFormerConfig = CausalQFormerConfig()
    language: LanguageConfig = LanguageConfig()
    lora: LoraConfig | None = LoraConfig()
    prompt: PromptConfig = PromptConfig()
    frame_sampling: FrameRule = "released"
    seed: int | None = None

    def __post_init__(self) -> None:
        hidden = self.causal_qformer.hidden_size
        if self.image_qformer.hidden_size != hidden:
            raise ConfigError(
                f"image_qformer.hidden_size {self.image_qformer.hidden_size} must equal causal_qformer.hidden_size "
                f"{hidden}: its outputs are the visual slots"
            )
        if self.frame_width % self.causal_qformer.num_attention_heads:
            raise ConfigError(
                f"the frame width {self.frame_width} is not a multiple of causal_qformer.num_attention_heads "
                f"{self.causal_qformer.num_attention_heads}"
            )
        if self.prompt.max_question_tokens > self.image_qformer.max_position_embeddings:
            raise ConfigError(
                f"prompt.max_question_tokens {self.prompt.max_question_tokens} exceeds "
                f"image_qformer.max_position_embeddings {self.image_qformer.max_position_embeddings}; lower it"
            )
        if self.causal_qformer.block_frames * self.slots > self.causal_qformer.max_positions:
            raise ConfigError(
                f"a block of {self.causal_qformer.block_frames} frames with {self.slots} slots does not fit in "
                f"causal_qformer.max_positions {self.causal_qformer.max_positions}; raise it"
            )

    @property
    def needs(self) -> ClipNeeds:
        """What to decode of a window for the model."""
        rate, size = Fraction(FRAMES_PER_SECOND), Square(self.visual.image_size)
        return ClipNeeds(frames_per_second=rate, frame_rule=self.frame_sampling, frame_size=size)

    @property
    def slots(self) -> int:
        """Slots per frame in each modality."""
        return self.image_qformer.num_query_tokens

    @property
    def frame_width(self) -> int:
        """Width of a slot: the hidden size once for each encoder (fact 2)."""
        return self.causal_qformer.hidden_size * (2 if self.sound is None else 3)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads a configuration from JSON values; missing ones default to FAVOR 13B's.

        Raises:
            ConfigError: for an unknown key or an impossible value.
        """
        return read_dataclass(cls, values, "config")

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as JSON values, which ``from_dict`` reads back."""
        return to_json(self)

    def override(self, values: Mapping[str, Any]) -> Self:
        """Returns a copy with some values replaced, such as ``{"visual": {"num_attention_heads": 4}}``.

        Raises:
            ConfigError: for an unknown key or an impossible value.
        """
        return type(self).from_dict(merge_values(self.to_dict(), values))
