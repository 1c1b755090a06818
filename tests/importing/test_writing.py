import hashlib

import pytest
import torch
from safetensors.torch import load_file

from favor.importing.tensor_files import Spec
from favor.importing.writing import PendingTensor, split, write_shards

TENSORS = {
    "odd": torch.arange(3, dtype=torch.float16),
    "wide": torch.randn(4, 5),
    "scalar": torch.tensor(2.0),
    "brain": torch.randn(7).bfloat16(),
    "empty": torch.zeros(0, 3),
    "double": torch.randn(2, dtype=torch.float64),
}


def entry(name, tensor, dtype=None):
    return PendingTensor(name, Spec(tuple(tensor.shape), dtype or tensor.dtype), lambda: tensor)


@pytest.fixture
def entries():
    return [entry(name, tensor) for name, tensor in TENSORS.items()]


def test_a_single_file_is_what_safetensors_reads(entries, tmp_path):
    digests = write_shards(entries, tmp_path)
    loaded = load_file(tmp_path / "model.safetensors")
    assert loaded.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(loaded[name], tensor, atol=0, rtol=0)
    content = (tmp_path / "model.safetensors").read_bytes()
    assert digests == {"model.safetensors": hashlib.sha256(content).hexdigest()}


def test_values_become_the_type_that_was_promised(tmp_path):
    write_shards([entry("x", TENSORS["wide"].T, torch.float16)], tmp_path)
    assert torch.equal(load_file(tmp_path / "model.safetensors")["x"], TENSORS["wide"].T.half())


def test_shards_keep_the_order_and_the_limit(entries):
    assert [[e.name for e in shard] for shard in split(entries, 84)] == [
        ["odd"],
        ["wide", "scalar"],
        ["brain", "empty", "double"],
    ]


def test_a_tensor_above_the_limit_has_a_shard_of_its_own(entries):
    assert [len(shard) for shard in split(entries, 10)] == [1] * 6


def test_progress_adds_up(entries, tmp_path):
    told = []
    write_shards(entries, tmp_path, 30, told.append)
    assert sum(told) == sum(tensor.nbytes for tensor in TENSORS.values())
