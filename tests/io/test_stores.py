import aiohttp
import gcsfs.retry
import google.api_core.exceptions
import pytest

from favor.io.stores import store_errors


@pytest.mark.parametrize(
    "error",
    [
        OSError,
        aiohttp.ClientConnectionError,
        gcsfs.retry.HttpError,
        gcsfs.retry.ChecksumError,
        google.api_core.exceptions.ServiceUnavailable,  # gcsfs asks by gRPC what kind of bucket it is
    ],
)
def test_whatever_a_store_raises_is_caught(error):
    assert issubclass(error, store_errors())
