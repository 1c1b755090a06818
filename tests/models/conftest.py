from pathlib import Path

import pytest


@pytest.fixture
def toy(register):
    """Registers the toy family as "toy"."""
    register({"toy": "toy_family:FAMILY"}, Path(__file__).with_name("toy_family.py"))
