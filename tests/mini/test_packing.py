import pytest
import torch

from favor.models.base import GenerationOptions
from favor.synthetic import SPLITS, Item, generate_clips
from favor.synthetic.questions.items import CAUSAL, HEARD
from favor.training.examples import Example
from favor.training.objective import Objective
from mini.packing import GROUPS, Asked, PackedLoss, lay_out, pack, visible

pytestmark = pytest.mark.numeric

FURTHER = Item("ac", "What is heard first?", "a bell", CAUSAL, HEARD)


@pytest.fixture(scope="module")
def spoken():
    """Clips without picture, whose tokens do not depend on the question."""
    return [generate_clips(SPLITS["validation"], index, ("asr",)) for index in (0, 1)]


@pytest.fixture
def asked(tiny):
    return [Asked.of(generate_clips(SPLITS["validation"], index).items, tiny.prompter) for index in range(3)]


def make_tokens(model, clips):
    """What the causal Q-Former makes of each clip."""
    with torch.no_grad():
        seen = model.modalities(model.encode(clips), ["What?"] * len(clips))
        outputs = [model.aligner.query([model.aligner.frames(one)]) for one in seen]
        return [model.aligner.join(output).flatten(0, 1) for output in outputs]


@torch.no_grad()
def read(model, tokens, asked, evenness=0.0):
    rows = lay_out([len(one) for one in tokens], asked, model.prompter.before_ids())
    return PackedLoss(model, evenness)(torch.cat(tokens), rows)


def test_questions_in_one_row_cost_what_they_cost_alone(tiny, spoken):
    """Against the loss of `favor train`, which gives each question a row of its own."""
    tokens = make_tokens(tiny, [made.clip for made in spoken])
    items = [[*made.items, FURTHER] for made in spoken]
    told = read(tiny, tokens, [Asked.of(some, tiny.prompter) for some in items])
    examples = [
        Example(made.clip, item.question, item.answer, item.task)
        for made, some in zip(spoken, items, strict=True)
        for item in some
    ]
    with torch.no_grad():
        expected = Objective(tiny)(examples).answer
    assert told.loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_scenes_tokens_are_seen_by_its_own_questions_only(tiny, asked):
    tokens = [torch.randn(20, tiny.config.causal_qformer.hidden_size) for _ in asked]
    alone = [read(tiny, [t], [a]).loss for t, a in zip(tokens, asked, strict=True)]
    counts = torch.tensor([float(sum(map(len, one.answers))) for one in asked])
    expected = (torch.stack(alone) * counts).sum() / counts.sum()
    assert read(tiny, tokens, asked).loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_answers_may_count_alike_be_they_long_or_short(tiny, asked):
    tokens, one = [torch.zeros(0, tiny.config.causal_qformer.hidden_size)], asked[0]
    alone = [
        read(tiny, tokens, [Asked([question], [answer], [0])]).loss
        for question, answer in zip(one.questions, one.answers, strict=True)
    ]
    assert len({len(answer) for answer in one.answers}) > 1
    loss = read(tiny, tokens, [one], evenness=1).loss
    assert loss.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-4)


def test_what_greedy_decoding_says_is_told_right(tiny, spoken, leads):
    clips, questions = [made.clip for made in spoken], ["What is it?", "Describe what you see and hear."]
    pairs = [(clip, question) for clip in clips for question in questions]
    answers = tiny.answer([clip for clip, _ in pairs], [q for _, q in pairs], GenerationOptions(max_new_tokens=5))
    said = [list(answer.token_ids) for answer in answers]
    for pair, ids in zip(pairs, said, strict=True):
        assert leads(tiny, *pair, ids).min() > 1e-4  # so that rounding, of less than 1e-6, does not choose others
    said[2][3] += 1
    ids = tiny.prompter.after_ids(questions)
    told = read(tiny, make_tokens(tiny, clips), [Asked(ids, said[:2], [0, 0]), Asked(ids, said[2:], [0, 0])])
    assert told.right.tolist() == [True, True, False, True]


def test_questions_follow_their_scene_and_each_token_tells_the_next():
    rows = lay_out([2, 1], [Asked([[5, 6], [7]], [[8, 2], [2]], [0, 4]), Asked([[9]], [[3, 2]], [1])], before=[1])
    assert rows.text.tolist() == [[1, 0, 0, 5, 6, 8, 7, 0], [1, 0, 9, 3, 0, 0, 0, 0]]  # a multiple of eight
    assert rows.spots.tolist() == [1, 2, 9]
    assert rows.scene.tolist() == [[0] * 7 + [-1], [1] * 4 + [-1] * 4]
    assert rows.segment.tolist() == [[0, 0, 0, 1, 1, 1, 2, -1], [0, 0, 1, 1, -1, -1, -1, -1]]
    assert rows.place.tolist() == [[0, 1, 2, 3, 4, 5, 3, 0], [0, 1, 2, 3, 0, 0, 0, 0]]
    assert rows.learnt.tolist() == [4, 5, 6, 10, 11]
    assert rows.wanted.tolist() == [8, 2, 2, 3, 2]
    assert rows.question.tolist() == [0, 0, 1, 2, 2]
    assert rows.groups.tolist() == [0, 4, 1]


def test_a_question_is_of_its_kind_or_else_of_its_task(tiny, spoken):
    asked = Asked.of([FURTHER, *spoken[0].items[:1]], tiny.prompter)
    assert [GROUPS[group] for group in asked.groups] == [CAUSAL, "asr"]


def test_rows_are_filled_without_losing_a_piece():
    lengths = [5, 9, 3, 4, 1, 8]
    rows = pack(lengths)
    assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
    assert all(sum(lengths[place] for place in row) <= 9 for row in rows)
    assert len(rows) == 4


def test_a_question_sees_its_scene_and_itself():
    scene, segment = torch.tensor([[0, 0, 0, 0, 1, -1]]), torch.tensor([[0, 1, 1, 2, 0, -1]])
    expected = [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]
    assert visible(scene, segment)[0, :5].int().tolist() == expected
