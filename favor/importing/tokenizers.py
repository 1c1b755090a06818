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

# Spaces, line breaks, digits and letters that no vocabulary has: what a conversion may get wrong.
PROBES = (
    "",
    " ",
    "  two   spaces ",
    "a\nb\tc",
    "12345",
    "naïve 漢字 😀",
    "What is the source of the sound in this video?",
)

BPE, NORMAL, USER_DEFINED = 2, 1, 4  # numbers of SentencePiece's format


def language_tokenizer(model_file: Path, probes: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Converts Llama's ``tokenizer.model`` so that each text becomes what the slow LlamaTokenizer makes of it.

    That is SentencePiece's own result, with ``<s>``, ``</s>`` and ``<unk>`` recognised inside a text.

    Args:
        model_file: the file.
        probes: texts that must be tokenised like SentencePiece does it, beside ``PROBES``.

    Raises:
        FavorError: if the file is no SentencePiece model, or of a kind that Llama's are not.
    """
    content = model_file.read_bytes()
    try:
        reference = sentencepiece.SentencePieceProcessor(model_proto=content)
    except RuntimeError as error:
        raise FavorError(f"{model_file} is damaged or no SentencePiece model; download it again") from error
    proto = sentencepiece_model_pb2.ModelProto.FromString(content)
    _check_kind(proto, model_file)
    tokenizer = _convert(proto)
    for text in (*PROBES, *probes):
        if tokenizer.encode(text, add_special_tokens=False).ids != reference.encode(text):
            raise FavorError(f"{model_file} cannot be converted: it would tokenise {text!r} otherwise")
    unknown, begin, end = (
        reference.id_to_piece(i) for i in (reference.unk_id(), reference.bos_id(), reference.eos_id())
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=unknown, bos_token=begin, eos_token=end)


def question_tokenizer(vocabulary: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of bert-base-uncased and ``[DEC]``, cut on the left.

    Args:
        vocabulary: BERT's ``vocab.txt``.

    Raises:
        FavorError: if it is no such vocabulary.
    """
    try:
        pieces = vocabulary.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FavorError(f"{vocabulary} is no text; download it again") from error
    missing = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"} - set(pieces)
    if missing:
        raise FavorError(f"{vocabulary} lacks {min(missing)}: it is no vocabulary of BERT; download it again")
    tokenizer = BertTokenizer(vocab=str(vocabulary), do_lower_case=True, truncation_side="left")
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    return tokenizer


def read_tokenizers(
    config: FavorConfig, folders: Mapping[str, Path]
) -> tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase]:
    """The two tokenizers of a model.

    Args:
        config: of the model.
        folders: that of ``tokenizer.model`` under "llm" and that of ``vocab.txt`` under "bert"; favor-mini's own
            tokenizers take the place of one that is not given.

    Returns:
        The LLM's and the image Q-Former's.

    Raises:
        FavorError: if one is damaged, or has tokens that the model has no embedding for.
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
    """Makes sure that every token has an embedding, and that the special ones are those of the configuration.

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
            f"{path} is no tokenizer of Llama 1 or 2: those are BPE with byte fallback and leave spaces alone"
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
    """All ways to put a piece together of two others, the pieces of higher score first."""
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == NORMAL}
    for piece in sorted(scores, key=lambda piece: -scores[piece]):
        for middle in range(1, len(piece)):
            left, right = piece[:middle], piece[middle:]
            if left in scores and right in scores:
                yield left, right
