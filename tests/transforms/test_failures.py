import ast
from pathlib import Path

import aiohttp
import av
import botocore.exceptions
import pytest

from favor.errors import MediaError
from favor.media.corpus.files import MediaFile, WindowKey
from favor.media.isolation.process import DEATHS
from transforms.failures import CODES, FAILURE_CODES, UNREACHABLE, captured
from transforms.in_flight import WORKER_CRASHED
from transforms.model_errors import MODEL_ERROR, OUT_OF_MEMORY
from transforms.rows import RESOLVED

MEDIA = MediaFile("/films/a.mp4", 10, "v")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MediaError("truncated", "too short"), "truncated"),
        (FileNotFoundError("gone"), "not_found"),
        (PermissionError("no"), "permission_denied"),
        (TimeoutError("slow"), "timeout"),
        (av.error.InvalidDataError(1, "bad"), "invalid_data"),
        (ConnectionResetError("cut"), "io_error"),
        (aiohttp.ClientError("gone"), "unreachable"),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="s3"), "unreachable"),
        (MemoryError(), "out_of_memory"),
    ],
)
def test_an_error_about_an_element_becomes_a_row_that_names_the_file(error, code):
    with captured("decode", MEDIA, WindowKey(MEDIA.media_id, 5, 9), "w") as failures:
        raise error
    (row,) = failures
    assert (row.code, row.stage, row.start_ms, row.end_ms, row.window_id) == (code, "decode", 5, 9, "w")
    assert row.message.startswith(MEDIA.uri)
    assert len(row.message) > len(MEDIA.uri) + 2


@pytest.mark.parametrize("error", [TypeError, KeyError, AssertionError, AttributeError, ValueError, RuntimeError])
def test_a_mistake_in_the_code_stops_the_run(error):
    with pytest.raises(error), captured("decode", MEDIA):
        raise error("a mistake")


def test_nothing_is_recorded_where_nothing_fails():
    with captured("probe", MEDIA) as failures:
        pass
    assert failures == []


ROOT = Path(__file__).parents[2]
SOURCES = [ast.parse(path.read_text()) for room in ("favor", "transforms") for path in (ROOT / room).rglob("*.py")]


def name_called(node):
    return getattr(node.func, "id", None) if isinstance(node, ast.Call) else None


def unlisted_nodes(tree):
    """All nodes of a module, without the list of codes itself."""
    for child in ast.iter_child_nodes(tree):
        if name_called(child) != "FailureCode":
            yield child
            yield from unlisted_nodes(child)


def raised():
    """The codes that a `MediaError` or a failure is given where it is made."""
    for node in (node for tree in SOURCES for node in unlisted_nodes(tree) if isinstance(node, ast.Call)):
        given = [word.value for word in node.keywords if word.arg == "code"]
        given += node.args[:1] if name_called(node) == "MediaError" else []
        yield from (value.value for value in given if isinstance(value, ast.Constant))


def test_every_code_that_can_arise_is_listed():
    named = {UNREACHABLE, WORKER_CRASHED, MODEL_ERROR, OUT_OF_MEMORY, *DEATHS}
    found = {*raised(), *(code for _, code in CODES), *named} - {RESOLVED}
    assert len(found) > 20
    assert found <= set(FAILURE_CODES)


def test_every_code_that_is_listed_can_arise():
    nodes = (node for tree in SOURCES for node in unlisted_nodes(tree))
    assert set(FAILURE_CODES) <= {node.value for node in nodes if isinstance(node, ast.Constant)}


def test_every_code_has_a_stage_and_a_meaning():
    for name, kind in FAILURE_CODES.items():
        assert name == kind.code
        assert kind.stages
        assert kind.meaning.endswith(".")
