"""What the tests of the encoders share."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

BEATS = Path(__file__).parents[3] / "data" / "beats_tiny.safetensors"


@pytest.fixture(scope="session")
def golden():
    """The tensors of the released code's run, and its cfg."""
    with safe_open(BEATS, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["cfg"])  # noqa: SIM118


@pytest.fixture(scope="session")
def noise():
    """The function that makes random samples of any shape."""
    return lambda *shape, seed=1: 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
