"""Makes favor-mini's configuration and tokenizers from ``sentences.txt`` and the texts of the generated world.

Run it as ``python -m mini.tokenizers``.
"""

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from favor.models.favor.folder import LANGUAGE_TOKENIZER, PACKAGED, QUESTION_TOKENIZER, write_config
from favor.models.favor.presets import FAVOR_MINI
from favor.synthetic.vocabulary import PRINTED, spoken_words
from favor.synthetic.world import SPLITS, write

SENTENCES = Path(__file__).with_name("sentences.txt")
CLIPS = 3000  # clips of the world whose texts are used
REPEATS = 100


def texts() -> list[str]:
    """Returns the training texts; the world's own words are so frequent that each becomes one token."""
    items = [item for index in range(CLIPS) for item in write(SPLITS["train"], index)[1]]
    words = [*spoken_words(), *PRINTED] * REPEATS
    return [*SENTENCES.read_text(encoding="utf-8").splitlines(), *(f"{i.question} {i.answer}" for i in items), *words]


def language_tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    """Trains a BPE tokenizer with Llama's conventions: a space before each text, and byte fallback."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    stops = pre_tokenizers.Split(Regex(r"[,.:?!]|\d"), "isolated")  # so that a word is one token wherever it stands
    spaces = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([spaces, stops])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special + bytes_, show_progress=False)
    tokenizer.train_from_iterator(texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def question_tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    """Trains a WordPiece tokenizer like that of bert-base-uncased, truncating on the left."""
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special.values()),
        initial_alphabet=[chr(code) for code in range(33, 127) if not chr(code).isupper()],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    ids = tokenizer.get_vocab()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, truncation_side="left", **special)


def main() -> None:
    """Writes the packaged folder ``favor-mini``, leaving its weights unchanged."""
    folder = PACKAGED / FAVOR_MINI.name
    write_config(FAVOR_MINI, folder)
    language_tokenizer(FAVOR_MINI.language.vocab_size).save_pretrained(folder / LANGUAGE_TOKENIZER)
    question_tokenizer(FAVOR_MINI.image_qformer.vocab_size).save_pretrained(folder / QUESTION_TOKENIZER)


if __name__ == "__main__":
    main()
