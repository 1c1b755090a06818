import importlib.util
from pathlib import Path

import pytest

from jobs.command import ComparisonExitCode, ExitCode
from pipeline.output.tables import TABLES
from transforms.failures import FAILURE_CODES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def write_tables():
    specification = importlib.util.spec_from_file_location("write_tables", DOCS / "write_tables.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_page_is_what_the_code_says(write_tables):
    assert (DOCS / "tables.md").read_text() == write_tables.page(), "run python docs/write_tables.py"


def test_the_page_has_every_column_and_every_code(write_tables):
    page = write_tables.page()
    for table in TABLES.values():
        assert f"* `{table.name}`: {table.purpose}\n" in page
        for column in table.columns:
            assert f"| `{column.name}` | {column.type} | {'yes' if column.nullable else 'no'} | " in page
    assert all(f"| `{code}` | " in page for code in FAILURE_CODES)


def test_the_page_has_every_exit_code(write_tables):
    page = write_tables.page()
    for code in (*ExitCode, *ComparisonExitCode):
        assert f"\n| {code.value} | " in page
