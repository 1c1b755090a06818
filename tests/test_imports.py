import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["favor", "transforms", "pipeline", "jobs"]  # each may import those before it
ENTRY_POINT = ROOT / "favor" / "command.py"  # the one exception: it checks where the layers lie, then runs jobs.main


def imported(path):
    """The top-level names that a module imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_one_way(layer):
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    modules = list((ROOT / layer).rglob("*.py"))
    assert modules
    for path in modules:
        allowed = {"jobs"} if path == ENTRY_POINT else set()
        assert above & set(imported(path)) == allowed, f"{path} imports from a layer above it"


def test_the_model_knows_nothing_of_beam_and_commands():
    for path in (ROOT / "favor").rglob("*.py"):
        assert not {"apache_beam", "click"} & set(imported(path)), path


def test_the_media_layer_stays_light():
    for path in (ROOT / "favor" / "media").rglob("*.py"):
        assert not {"torch", "transformers", "apache_beam"} & set(imported(path)), path
