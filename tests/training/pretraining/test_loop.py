import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from favor.training.pretraining import loop
from favor.training.pretraining.loop import Course, learn

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
        return loss, {"rows": (float(rows.sum()), 8)}

    assert learn(cost, [(list(layer.parameters()), 1.0), (list(table.parameters()), 5.0)], Course(output, steps, RATE))
    return [*layer.parameters(), *table.parameters()]


def test_a_run_that_was_cut_off_ends_with_the_same_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "KEEP_EVERY", 4)
    expected = run(20, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(20, tmp_path / "cut", until=11)
    got = run(20, tmp_path / "cut")
    assert "going on after 8 steps" in capsys.readouterr().out
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


def make_layers():
    """Two layers, of which each batch needs one."""
    torch.manual_seed(0)
    return nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])


def cost_of_batch(layers, number):
    generator = torch.Generator().manual_seed(number)
    inputs, wanted = (torch.randn(8, width, generator=generator) for width in (4, 3))
    return (layers[number % 2](inputs) - wanted).square().mean()


def learn_in_this_process(folder):
    """What each process of the test below does."""
    layers = make_layers()
    course = Course(folder / "several", 6, RATE, first=10)
    if learn(lambda number: (cost_of_batch(layers, number), {}), [(list(layers.parameters()), 1.0)], course):
        torch.save(layers.state_dict(), folder / "several.pt")


def test_processes_average_their_gradients(tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*launch, __file__, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("6 of 6 steps") == 1
    layers = make_layers()

    def cost(step):
        return (cost_of_batch(layers, 10 + 2 * step) + cost_of_batch(layers, 11 + 2 * step)) / 2, {}

    learn(cost, [(list(layers.parameters()), 1.0)], Course(tmp_path / "alone", 6, RATE))
    torch.testing.assert_close(torch.load(tmp_path / "several.pt", weights_only=True), layers.state_dict())


if __name__ == "__main__":
    learn_in_this_process(Path(sys.argv[1]))
