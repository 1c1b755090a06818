"""The released models' two tokenizers, as files that load without SentencePiece."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from favor.errors import FavorError
from favor.models.favor.config import FavorConfig
from favor.models.favor.folder import LANGUAGE_TOKENIZER, PACKAGED, QUESTION_TOKENIZER
from favor.models.favor.presets import FAVOR_MINI

TOKENIZER_MODEL = "tokenizer.model"
VOCABULARY = "vocab.txt"

# What a conversion may get wrong: spaces, line breaks, digits, and characters that are in no vocabulary.
PROBES = (
    "",
    " ",
    "  two   spaces ",
    "a\nb\tc",
    "12345",
    "naïve 漢字 😀",
    "What is the source of the sound in this video?",
)

BPE, NORMAL, USER_DEFINED = 2, 1, 4  # constants of SentencePiece's format


def language_tokenizer(model_file: Path, probes: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Converts Llama's ``tokenizer.model`` into a tokenizer that gives the same tokens as the slow LlamaTokenizer.

    These are SentencePiece's own tokens, except that ``<s>``, ``</s>`` and ``<unk>`` are recognised inside a text.

    Args:
        model_file: the path of ``tokenizer.model``.
        probes: texts, in addition to ``PROBES``, whose tokens must equal SentencePiece's.

    Raises:
        FavorError: if the file is not a SentencePiece model, is of a kind that Llama does not use, or gives other
            tokens when converted.
    """
    content = model_file.read_bytes()
    try:
        reference = sentencepiece.SentencePieceProcessor(model_proto=content)
    except RuntimeError as error:
        raise FavorError(f"{model_file} is damaged or not a SentencePiece model; download it again") from error
    proto = sentencepiece_model_pb2.ModelProto.FromString(content)
    _check_kind(proto, model_file)
    tokenizer = _convert(proto)
    for text in (*PROBES, *probes):
        if tokenizer.encode(text, add_special_tokens=False).ids != reference.encode(text):
            raise FavorError(f"{model_file} cannot be converted: it would tokenise {text!r} differently")
    unknown, begin, end = (
        reference.id_to_piece(i) for i in (reference.unk_id(), reference.bos_id(), reference.eos_id())
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=unknown, bos_token=begin, eos_token=end)


def question_tokenizer(vocabulary: Path) -> PreTrainedTokenizerBase:
    """Builds the tokenizer of bert-base-uncased with ``[DEC]`` added, truncating on the left.

    Args:
        vocabulary: the path of BERT's ``vocab.txt``.

    Raises:
        FavorError: if the file is not such a vocabulary.
    """
    try:
        pieces = vocabulary.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FavorError(f"{vocabulary} is not a text file; download it again") from error
    missing = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"} - set(pieces)
    if missing:
        raise FavorError(f"{vocabulary} lacks {min(missing)}: it is not BERT's vocabulary; download it again")
    tokenizer = BertTokenizer(vocab=str(vocabulary), do_lower_case=True, truncation_side="left")
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    return tokenizer


def read_tokenizers(
    config: FavorConfig, folders: Mapping[str, Path]
) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase]:
    """Reads the two tokenizers of a model.

    Args:
        config: the model's configuration.
        folders: the folder of ``tokenizer.model`` under "llm" and that of ``vocab.txt`` under "bert"; favor-mini's
            own tokenizer is used for a missing one.

    Returns:
        The tokenizers of the LLM and of the image Q-Former.

    Raises:
        FavorError: if a tokenizer is damaged or does not fit the configuration.
    """
    mini, prompt = PACKAGED / FAVOR_MINI.name, config.prompt
    language = (
        language_tokenizer(folders["llm"] / TOKENIZER_MODEL, [prompt.before, prompt.after])
        if "llm" in folders
        else AutoTokenizer.from_pretrained(mini / LANGUAGE_TOKENIZER)
    )
    question = (
        question_tokenizer(folders["bert"] / VOCABULARY)
        if "bert" in folders
        else AutoTokenizer.from_pretrained(mini / QUESTION_TOKENIZER)
    )
    check_vocabularies(config, language, question)
    return language, question


def check_vocabularies(
    config: FavorConfig, language: PreTrainedTokenizerBase, question: PreTrainedTokenizerBase
) -> None:
    """Checks that every token has an embedding, and that the special tokens match the configuration.

    Raises:
        FavorError: if not.
    """
    for section, tokenizer, size in (
        ("language", language, config.language.vocab_size),
        ("image_qformer", question, config.image_qformer.vocab_size),
    ):
        if len(tokenizer) > size:
            raise FavorError(f"{section}.vocab_size is {size}, but its tokenizer has {len(tokenizer)} tokens")
    for name in ("bos_token_id", "eos_token_id"):
        ours, theirs = getattr(config.language, name), getattr(language, name)
        if ours != theirs:
            raise FavorError(f"language.{name} is {ours}, but the tokenizer says {theirs}; set it with --config")


def _check_kind(proto: sentencepiece_model_pb2.ModelProto, path: Path) -> None:
    normalizer = proto.normalizer_spec
    plain = normalizer.add_dummy_prefix and normalizer.escape_whitespaces and not normalizer.remove_extra_whitespaces
    is_llamas = proto.trainer_spec.model_type == BPE and proto.trainer_spec.byte_fallback and plain
    if not is_llamas or any(piece.type == USER_DEFINED for piece in proto.pieces):
        raise FavorError(
            f"{path} is not a tokenizer of Llama 1 or 2: those are BPE with byte fallback and preserve spaces"
        )


def _convert(proto: sentencepiece_model_pb2.ModelProto) -> Tokenizer:
    vocabulary = {piece.piece: index for index, piece in enumerate(proto.pieces)}
    spec = proto.trainer_spec
    model = models.BPE(vocabulary, list(_merges(proto)), unk_token=spec.unk_piece, fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    special = (spec.unk_piece, spec.bos_piece, spec.eos_piece)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer


def _merges(proto: sentencepiece_model_pb2.ModelProto) -> Iterator[tuple[str, str]]:
    """Yields all ways to split each piece into two other pieces, in descending order of the pieces' scores."""
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == NORMAL}
    for piece in sorted(scores, key=lambda piece: -scores[piece]):
        for middle in range(1, len(piece)):
            left, right = piece[:middle], piece[middle:]
            if left in scores and right in scores:
                yield left, right
