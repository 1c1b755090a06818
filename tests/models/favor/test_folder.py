import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from favor.errors import FavorError
from favor.models.favor.folder import PACKAGED, find_folder, read_config, revision
from favor.models.favor.model import FavorModel
from favor.models.favor.presets import FAVOR_MINI

MINI = PACKAGED / "favor-mini"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that ``save_pretrained`` wrote."""
    folder = tmp_path_factory.mktemp("model") / "saved"
    FavorModel.from_pretrained("favor-mini", device="cpu").save_pretrained(folder)
    return folder


@pytest.fixture
def copied(saved, tmp_path):
    """A folder whose weights a test may spoil, and a function that writes them anew."""
    for path in saved.rglob("*.json"):
        (tmp_path / path.relative_to(saved)).parent.mkdir(exist_ok=True)
        (tmp_path / path.relative_to(saved)).write_bytes(path.read_bytes())
    weights = load_file(saved / "model.safetensors")
    return tmp_path, weights, lambda: save_file(weights, tmp_path / "model.safetensors")


def test_the_packaged_configuration_is_the_preset():
    assert read_config(MINI) == FAVOR_MINI


def test_a_saved_model_loads_with_the_same_weights(saved):
    model, again = (FavorModel.from_pretrained(name, device="cpu") for name in ("favor-mini", saved))
    state = model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.state_dict().items())
    assert again.trained == model.trained
    buffers = dict(model.named_buffers())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in again.named_buffers())


def test_a_missing_tensor_is_named(copied):
    folder, weights, write = copied
    del weights["aligner.llm_proj.bias"]
    write()
    with pytest.raises(FavorError, match=r"lacks 1 tensors, such as aligner\.llm_proj\.bias"):
        FavorModel.from_pretrained(folder, device="cpu")


def test_an_unknown_tensor_is_named(copied):
    folder, weights, write = copied
    weights["aligner.surplus"] = torch.zeros(1)
    write()
    with pytest.raises(FavorError, match=r"holds aligner\.surplus"):
        FavorModel.from_pretrained(folder, device="cpu")


def test_a_tensor_of_another_shape_is_named_with_both_shapes(copied):
    folder, weights, write = copied
    weights["aligner.llm_proj.bias"] = torch.zeros(7)
    write()
    with pytest.raises(FavorError, match=r"llm_proj\.bias has shape \(7,\), the config\.json wants \(256,\)"):
        FavorModel.from_pretrained(folder, device="cpu")


def test_a_trained_model_without_weights_is_refused(copied):
    folder, _, _ = copied
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"seed": None}))
    with pytest.raises(FavorError, match=r"no \*\.safetensors"):
        FavorModel.from_pretrained(folder, device="cpu")


def test_a_broken_configuration_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FavorError, match="is not JSON"):
        FavorModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("favor-13b", "weights of favor-13b do not come with this package"), ("nowhere", "neither a model folder")],
)
def test_a_model_that_is_not_there(name, message):
    with pytest.raises(FavorError, match=message):
        find_folder(name)


def test_the_revision_changes_with_a_weight_and_with_the_configuration(copied):
    folder, weights, write = copied
    write()
    first = revision(FAVOR_MINI, folder)
    assert first == revision(FAVOR_MINI, folder)
    assert first != revision(FAVOR_MINI.override({"seed": 1}), folder)
    weights["aligner.llm_proj.bias"] += 1
    write()
    assert first != revision(FAVOR_MINI, folder)
