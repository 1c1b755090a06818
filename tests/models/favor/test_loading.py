import pytest
import torch
from safetensors.torch import save_file

from favor.errors import FavorError
from favor.models.favor import loading
from favor.models.favor.loading import load_weights
from favor.models.placement import Placement

CPU = torch.device("cpu")


@pytest.fixture
def empty():
    with torch.device("meta"):
        return torch.nn.Sequential(torch.nn.Linear(6, 40), torch.nn.LayerNorm(40))


@pytest.fixture
def weights():
    module = torch.nn.Sequential(torch.nn.Linear(6, 40), torch.nn.LayerNorm(40))
    return {name: torch.randn_like(parameter) for name, parameter in module.named_parameters()}


@pytest.fixture
def folder(tmp_path, weights):
    """Two shards."""
    names = list(weights)
    save_file({name: weights[name] for name in names[:1]}, tmp_path / "model-1.safetensors")
    save_file({name: weights[name] for name in names[1:]}, tmp_path / "model-2.safetensors")
    return tmp_path


@pytest.mark.parametrize("block", [1, 100, 10**6])
def test_blocks_of_any_size_make_the_same_weights(empty, weights, folder, block, monkeypatch):
    monkeypatch.setattr(loading, "BLOCK_BYTES", block)
    load_weights(empty, folder, Placement(CPU, torch.float32))
    assert all(torch.equal(parameter, weights[name]) for name, parameter in empty.named_parameters())


def test_weights_become_what_the_model_computes_in(empty, weights, folder):
    load_weights(empty, folder, Placement(CPU, torch.bfloat16))
    assert all(torch.equal(parameter, weights[name].bfloat16()) for name, parameter in empty.named_parameters())


def test_weights_do_not_hang_on_their_file(empty, weights, folder):
    load_weights(empty, folder, Placement(CPU, torch.float32))
    for path in folder.glob("*.safetensors"):
        path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(parameter, weights[name]) for name, parameter in empty.named_parameters())


def test_a_damaged_file_is_named(empty, folder):
    path = folder / "model-2.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FavorError, match=r"model-2\.safetensors is damaged"):
        load_weights(empty, folder, Placement(CPU, torch.float32))
