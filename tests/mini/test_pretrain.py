import pytest
import torch

from favor.models.favor.model import FavorModel
from mini import loop
from mini import pretrain as program
from mini.batches import SceneBatches
from mini.fact_tokens import FactCodes
from mini.objective import PretrainingObjective

pytestmark = pytest.mark.numeric

SMALL = "--clips", "2", "--scenes", "2", "--workers", "0", "--device", "cpu"


@pytest.fixture
def teach(tiny_folder, monkeypatch):
    """The function that runs the program as a user does."""

    def run(output, steps, model=tiny_folder, *options):
        arguments = [str(model), str(output), "--steps", str(steps), *SMALL, *options]
        monkeypatch.setattr("sys.argv", ["pretraining", *arguments])
        program.main()

    return run


def load(folder):
    return FavorModel.from_pretrained(folder, device="cpu").state_dict()


def load_beside(folder):
    """What was learnt beside the model."""
    model = FavorModel.from_pretrained(folder, device="cpu")
    learning = PretrainingObjective(model, FactCodes(model.config.causal_qformer.hidden_size))
    assert learning.load(folder)
    return {name: value for name, value in learning.state_dict().items() if not name.startswith(("model.", "reader."))}


def test_all_but_ears_and_adapters_learns(teach, tiny_folder, tmp_path, capsys):
    teach(tmp_path / "taught", 2)
    assert capsys.readouterr().out.startswith("2 of 2 steps")
    first, last = load(tiny_folder), load(tmp_path / "taught")
    kept = {name for name in first if torch.equal(first[name], last[name])}
    assert {name for name in first if name.startswith("speech") or "lora_" in name} <= kept
    for part in ("visual", "image_qformer", "aligner.causal_qformer", "aligner.llm_proj", "llm.model", "llm.lm_head"):
        assert any(name not in kept for name in first if name.startswith(part)), part
    assert load_beside(tmp_path / "taught")["codes.codes.weight"].std() > 0.4
    assert [path.name for path in tmp_path.iterdir()] == ["taught"]


def test_a_run_that_was_cut_off_ends_with_the_same_weights(teach, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "KEEP_EVERY", 1)
    make = SceneBatches.__getitem__

    def cut_off(lessons, number):
        if number == 2:
            raise KeyboardInterrupt
        return make(lessons, number)

    teach(tmp_path / "whole", 4)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(SceneBatches, "__getitem__", cut_off)
        with pytest.raises(KeyboardInterrupt):
            teach(tmp_path / "cut", 4)
    teach(tmp_path / "cut", 4)
    assert "resuming after 2 steps" in capsys.readouterr().out
    whole, cut = load(tmp_path / "whole"), load(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    whole, cut = load_beside(tmp_path / "whole"), load_beside(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_it_goes_on_from_an_earlier_output_with_its_codes(teach, tmp_path):
    teach(tmp_path / "taught", 1)
    teach(tmp_path / "further", 0, tmp_path / "taught", "--join", "0", "--first", "1")
    taught, further = load_beside(tmp_path / "taught"), load_beside(tmp_path / "further")
    assert all(torch.equal(taught[name], further[name]) for name in taught)
    first, last = load(tmp_path / "taught"), load(tmp_path / "further")
    assert all(torch.equal(first[name], last[name]) for name in first)


def test_workers_make_the_same_batches(tiny):
    lessons = SceneBatches(tiny.prompter, tiny.config, 1, 1)
    made, alone = (
        [batch.facts for batch in program.make_batches(lessons, range(3, 5), workers, torch.device("cpu"))]
        for workers in (1, 0)
    )
    assert all(torch.equal(one, other) for one, other in zip(made, alone, strict=True))
