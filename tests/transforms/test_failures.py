import aiohttp
import av
import botocore.exceptions
import pytest

from favor.errors import MediaError
from favor.media.corpus.files import MediaFile, WindowKey
from transforms.failures import captured

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
