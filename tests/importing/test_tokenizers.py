import random
from pathlib import Path

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoTokenizer

from favor.errors import FavorError
from favor.importing.tokenizers import language_tokenizer, question_tokenizer

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "favor_released"
MODEL = GOLDEN / "llm" / "tokenizer.model"


@pytest.fixture(scope="module")
def reference():
    return sentencepiece.SentencePieceProcessor(str(MODEL))


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    """The converted tokenizer, saved and loaded again."""
    folder = tmp_path_factory.mktemp("language")
    language_tokenizer(MODEL).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("text", ["USER: <Img>", "</Img> Why?\nASSISTANT:", "  two", " ", "", "1234", "a▁b", "漢 \t😀"])
def test_text_becomes_what_sentencepiece_makes_of_it(language, reference, text):
    assert ids(language, text) == reference.encode(text)


def test_random_text_too(language, reference):
    draw = random.Random(0)
    for _ in range(2000):
        text = "".join(draw.choices("abcdeinort  \nTHE.?<>/▁é漢", k=draw.randrange(30)))
        assert ids(language, text) == reference.encode(text)
        assert language.decode(ids(language, text)) == reference.decode(reference.encode(text))


def test_special_tokens_are_recognised_and_split_the_text(language, reference):
    assert ids(language, "hi</s> you") == [*reference.encode("hi"), 2, *reference.encode(" you")]
    assert (language.bos_token_id, language.eos_token_id, language.unk_token_id) == (1, 2, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda proto: setattr(proto.trainer_spec, "model_type", 1),
        lambda proto: setattr(proto.normalizer_spec, "add_dummy_prefix", False),
        lambda proto: setattr(proto.normalizer_spec, "remove_extra_whitespaces", True),
    ],
)
def test_tokenizers_of_another_kind_are_refused(tmp_path, change):
    proto = sentencepiece_model_pb2.ModelProto.FromString(MODEL.read_bytes())
    change(proto)
    (tmp_path / "tokenizer.model").write_bytes(proto.SerializeToString())
    with pytest.raises(FavorError, match=r"tokenizer\.model is not a tokenizer of Llama"):
        language_tokenizer(tmp_path / "tokenizer.model")


def test_questions_are_cut_on_the_left_and_know_the_added_token(tmp_path):
    question_tokenizer(GOLDEN / "bert" / "vocab.txt").save_pretrained(tmp_path)
    question = AutoTokenizer.from_pretrained(tmp_path)
    words = (GOLDEN / "bert" / "vocab.txt").read_text().split()
    assert len(question) == len(words) + 1
    assert question.convert_tokens_to_ids("[DEC]") == len(words)
    cut = question("The THE sound", truncation=True, max_length=3)["input_ids"]
    assert cut == [words.index("[CLS]"), question("the sound")["input_ids"][-2], words.index("[SEP]")]
