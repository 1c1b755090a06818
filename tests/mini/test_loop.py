import pytest
import torch
from torch import nn

from mini import loop
from mini.loop import Course, learn, share_of_rate

pytestmark = pytest.mark.numeric

RATE = 1e-2


def run(steps, output, until=None):
    """Fits a layer to data that is a function of the step; dies when ``until`` steps are done."""
    torch.manual_seed(0)
    layer, table = nn.Linear(4, 3), nn.Embedding(5, 4)

    def cost(step):
        if step == until:
            raise KeyboardInterrupt
        generator = torch.Generator().manual_seed(step)
        rows = torch.randint(5, (8,), generator=generator)
        loss = (layer(table(rows)) - torch.randn(8, 3, generator=generator)).square().mean()
        return loss, {"rows": (rows.sum(), 8)}

    learn(cost, [(list(layer.parameters()), 1.0), (list(table.parameters()), 5.0)], Course(output, steps, RATE))
    return [*layer.parameters(), *table.parameters()]


def test_a_run_that_was_cut_off_ends_with_the_same_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "KEEP_EVERY", 4)
    expected = run(20, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(20, tmp_path / "cut", until=11)
    got = run(20, tmp_path / "cut")
    assert "resuming after 8 steps" in capsys.readouterr().out
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))
    assert not list(tmp_path.iterdir())


def test_the_means_since_the_last_report_are_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "REPORT_EVERY", 2)
    run(3, tmp_path / "out")
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("2 of 3 steps")
    assert last.startswith("3 of 3 steps")
    rows = torch.randint(5, (8,), generator=torch.Generator().manual_seed(2))
    assert f"rows {rows.float().mean():.3f}" in last


def test_what_never_was_there_counts_as_zero(tmp_path, capsys):
    weight = nn.Parameter(torch.ones(1))
    learn(
        lambda _: (weight.sum(), {"asked": (torch.tensor(0), torch.tensor(0))}),
        [([weight], 1.0)],
        Course(tmp_path / "out", 1, RATE),
    )
    assert "asked 0.000" in capsys.readouterr().out


def test_the_rate_rises_evenly_and_falls_as_a_cosine_does():
    shares = [share_of_rate(step, 100) for step in range(100)]
    assert shares[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert shares[50] == pytest.approx(0.5)
    assert 0 < shares[99] < 0.001
