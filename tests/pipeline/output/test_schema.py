import pytest

from favor.errors import FavorError
from pipeline.output.schema import SCHEMA_VERSION, check_schema


def test_what_a_newer_version_has_written_is_refused():
    check_schema({}, "out")
    check_schema({"schema": SCHEMA_VERSION}, "out")
    with pytest.raises(FavorError, match=f"out holds tables of schema {SCHEMA_VERSION + 1}.*Install a newer favor"):
        check_schema({"schema": SCHEMA_VERSION + 1}, "out")
