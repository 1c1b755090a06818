import ast
from pathlib import Path

from favor.media.isolation.process import DEATHS
from transforms.codes import FAILURE_CODES
from transforms.failures import CODES
from transforms.in_flight import WORKER_CRASHED
from transforms.rows import RESOLVED

ROOT = Path(__file__).parents[2]
SOURCES = [path for room in ("favor", "transforms") for path in sorted((ROOT / room).rglob("*.py"))]
OWN = ROOT / "transforms" / "codes.py"


def nodes(kind):
    for path in SOURCES:
        if path != OWN:
            yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kind))


def raised():
    """The codes that the code gives to a `MediaError` or a failure, as far as they are written where that is made."""
    for call in nodes(ast.Call):
        if getattr(call.func, "id", None) == "MediaError" and isinstance(call.args[0], ast.Constant):
            yield call.args[0].value
        yield from (
            word.value.value for word in call.keywords if word.arg == "code" and isinstance(word.value, ast.Constant)
        )


def test_every_code_that_can_arise_is_listed():
    found = {*raised(), *(code for _, code in CODES), *DEATHS, WORKER_CRASHED} - {RESOLVED}
    assert len(found) > 20
    assert found <= set(FAILURE_CODES)


def test_every_code_that_is_listed_can_arise():
    written = {node.value for node in nodes(ast.Constant) if isinstance(node.value, str)}
    assert set(FAILURE_CODES) <= written


def test_every_code_has_a_stage_and_a_meaning():
    for name, kind in FAILURE_CODES.items():
        assert name == kind.code
        assert kind.stages
        assert kind.meaning.endswith(".")
