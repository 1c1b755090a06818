import pytest
import torch

from favor.generation import GenerationOptions
from favor.synthetic import SPLITS, generate
from favor.training.examples import Example
from favor.training.objective import Objective
from favor.training.pretraining.facts import KINDS
from favor.training.pretraining.telling import Asked, FactCodes, Tales, Teller, load_codes, main, pack, visible


@pytest.fixture
def asked(tiny):
    return [Asked.of(generate(SPLITS["validation"], index).items, tiny.prompter) for index in range(3)]


def test_questions_in_one_row_cost_what_they_cost_alone(tiny, asked):
    """Against the loss of `favor train`, which gives each question a row of its own."""
    items = [item for index in range(3) for item in generate(SPLITS["validation"], index).items]
    examples = [Example(None, item.question, item.answer, item.task) for item in items]
    width = tiny.config.causal_qformer.hidden_size
    with torch.no_grad():
        loss, _ = Teller(tiny, evenness=0)([torch.zeros(0, width)] * 3, asked)
        expected = Objective(tiny)(examples).answer
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_clips_tokens_are_seen_by_its_own_questions_only(tiny, asked):
    width = tiny.config.causal_qformer.hidden_size
    teller = Teller(tiny, evenness=0)
    tokens = [torch.randn(20, width, requires_grad=True) for _ in asked]
    loss = teller(tokens, asked)[0].detach()
    alone = [teller([t], [a])[0] for t, a in zip(tokens, asked, strict=True)]
    counts = torch.tensor([sum(map(len, one.answers)) for one in asked], dtype=torch.float)
    assert loss.item() == pytest.approx(float((torch.stack(alone).detach() * counts).sum() / counts.sum()), rel=1e-5)


def test_answers_may_count_alike_be_they_long_or_short(tiny, asked):
    tokens = [torch.zeros(0, tiny.config.causal_qformer.hidden_size)]
    with torch.no_grad():
        loss = Teller(tiny, evenness=1)(tokens, asked[:1])[0]
        pairs = zip(asked[0].questions, asked[0].answers, strict=True)
        alone = [Teller(tiny)(tokens, [Asked([q], [a])])[0] for q, a in pairs]
    assert loss.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-5)


def test_what_greedy_decoding_says_is_told_right(tiny):
    clips = [generate(SPLITS["validation"], index, ("asr",)).clip for index in (0, 1)]  # only pictures heed questions
    questions = ["What is it?", "Describe what you see and hear."]
    pairs = [(clip, question) for clip in clips for question in questions]
    answers = tiny.answer([clip for clip, _ in pairs], [q for _, q in pairs], GenerationOptions(max_new_tokens=5))
    said = [list(answer.token_ids) for answer in answers]
    said[2][3] += 1
    ids = tiny.prompter.after_ids(questions)
    aligner = tiny.aligner
    with torch.no_grad():
        windows = [aligner.frames(seen) for seen in tiny.modalities(tiny.encode(clips), questions[:1] * 2)]
        tokens = [aligner.join(aligner.query([window])).flatten(0, 1) for window in windows]
        told = Teller(tiny).told(tokens, [Asked(ids, said[:2]), Asked(ids, said[2:])])
    assert told == [[True, True], [False, True]]


def test_rows_are_filled_without_losing_a_piece():
    lengths = [5, 9, 3, 4, 1, 8]
    rows = pack(lengths)
    assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
    assert all(sum(lengths[place] for place in row) <= 9 for row in rows)
    assert len(rows) == 4


def test_a_question_sees_its_clip_and_itself():
    scene, segment = torch.tensor([[0, 0, 0, 0, 1, -1]]), torch.tensor([[0, 1, 1, 2, 0, -1]])
    expected = [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]
    assert visible(scene, segment)[0, :5].int().tolist() == expected


def test_codes_look_like_the_outputs_of_the_causal_qformer():
    facts = torch.zeros(4, 32, len(KINDS), dtype=torch.long)
    tokens = FactCodes(96)(facts)
    assert tokens.shape == (4, 32, 96)
    assert tokens.mean(-1).abs().max() < 1e-5
    assert tokens.std(-1, unbiased=False).allclose(torch.ones(4, 32), atol=1e-3)


def test_batches_are_functions_of_their_number(tiny):
    tales = Tales(tiny.prompter, tiny.config, 3)
    for (facts, asked), (same_facts, same_asked) in zip(tales[5], tales[5], strict=True):
        assert (facts == same_facts).all()
        assert asked == same_asked


def test_the_command_writes_a_model_that_has_learnt(tiny, tiny_folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "told"
    monkeypatch.setattr("sys.argv", ["telling", str(tiny_folder), str(output), "--steps", "50", "--batch", "2"])
    main()
    line = capsys.readouterr().out
    assert line.startswith("50 of 50 steps")
    assert float(line.split("loss ")[1].split(",")[0]) < 7.6  # a guess among 2048 tokens costs 7.6
    assert load_codes(output, tiny.config.causal_qformer.hidden_size).codes.weight.std() > 0.4
