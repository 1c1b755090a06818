"""The rules of docs/architecture.md."""

import ast
import collections
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ["favor", "transforms", "pipeline", "jobs"]  # each may import those before it
ENTRY_POINT = ROOT / "favor" / "command.py"  # the one exception: it checks where the layers lie, then runs jobs.main
BESIDE = {"mini", "benchmarks", "examples", "samples", "tests"}
MOST_MODULES = 16  # in one folder


def modules(place):
    found = sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place]
    assert found, place
    return found


def imported(path):
    """The modules that a module imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_any(path, *names):
    return {module for module in imported(path) for name in names if f"{module}.".startswith(f"{name}.")}


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_one_way(layer):
    above = LAYERS[LAYERS.index(layer) + 1 :]
    for path in modules(layer):
        allowed = {"jobs.main", "jobs.main.main"} if path == ENTRY_POINT else set()
        assert imports_any(path, *above) == allowed, f"{path} imports from a layer above it"


def test_the_model_knows_nothing_of_beam_and_commands():
    for path in modules("favor"):
        assert not imports_any(path, "apache_beam", "click"), path


def test_the_media_layer_stays_light():
    for path in modules("favor/media"):
        assert not imports_any(path, "torch", "transformers", "favor.models"), path


def test_the_ground_knows_nothing_of_what_stands_on_it():
    for path in modules("favor/io"):
        assert imports_any(path, "favor") <= {"favor.errors"} | imports_any(path, "favor.errors", "favor.io"), path


def test_the_seam_is_free_of_beam_torch_and_transformers():
    assert not imports_any(ROOT / "favor/models/base.py", "apache_beam", "transformers", "torch", "favor.models.favor")


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_the_pipeline_knows_no_family_of_models(layer):
    for path in modules(layer):
        assert not imports_any(path, "favor.models.favor", "favor.FavorModel", "favor.FavorConfig"), path


def test_outputs_are_read_without_beam():
    for path in modules("pipeline/output"):
        assert path.name == "record.py" or not imports_any(path, "apache_beam", "pipeline.output.record"), path


@pytest.mark.parametrize(
    "module",
    ["pipeline.options", "pipeline.output.reader", "pipeline.reporting.diff", "favor", "favor.models.registry"],
)
def test_it_loads_neither_torch_nor_beam(module):
    code = f"import sys, {module}; print({{'torch', 'apache_beam', 'transformers'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout == "set()\n"


@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_shipped_imports_what_is_not(layer):
    for path in modules(layer):
        assert not imports_any(path, *BESIDE), path


def test_each_public_name_has_one_home():
    homes = collections.defaultdict(list)
    for path in (path for layer in LAYERS for path in modules(layer)):
        for name in public_names(path):
            homes[name].append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in homes.items() if len(paths) > 1}


def public_names(path):
    """The classes, functions and constants that a module defines for others."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("layer", LAYERS)
def test_folders_stay_small(layer):
    folders = collections.Counter(path.parent for path in modules(layer) if path.name != "__init__.py")
    assert max(folders.values()) <= MOST_MODULES
