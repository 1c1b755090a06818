import json

import pandas as pd
import pytest

from favor.errors import FavorError
from favor.io.rows import LONGEST_LINE, PARQUET_ROWS, RowError, read_rows

ROWS = [{"uri": "a.mp4", "note": "one, two\nthree"}, {"uri": "ü.mp4", "note": None}]


def told(path):
    """The numbers of the rows, and their values or what is wrong with them."""
    return [(number, str(row) if isinstance(row, RowError) else row) for number, row in read_rows(str(path))]


def test_all_three_formats_say_the_same(tmp_path):
    table = pd.DataFrame(ROWS)
    table.to_csv(tmp_path / "m.csv", index=False, encoding="utf-8-sig")
    table.to_json(tmp_path / "m.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "m.parquet")
    assert told(tmp_path / "m.csv") == [(2, ROWS[0]), (4, ROWS[1])]  # a quoted value takes two lines
    assert told(tmp_path / "m.jsonl") == told(tmp_path / "m.parquet") == [(1, ROWS[0]), (2, ROWS[1])]


def test_a_line_that_cannot_be_read_does_not_hide_the_next(tmp_path):
    lines = ['{"a": 1}', "{", "[1]", "", "9" * (LONGEST_LINE + 5), "[" * 100_000, '"\\ud800"', '{"a": "\\ud800"}']
    (tmp_path / "m.jsonl").write_text("\n".join([*lines, '{"a": 2}']))
    rows = told(tmp_path / "m.jsonl")
    assert [number for number, _ in rows] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert (rows[0][1], rows[-1][1]) == ({"a": 1}, {"a": 2})
    assert all(isinstance(row, str) for _, row in rows[1:-1])


def test_a_ragged_line_of_a_csv_file_is_said_so(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"a,b\n1,2\n1,2,3\n\n\xff,2\n1,\x00\n" + b"x" * 200_000 + b",1\n3,4\n")
    rows = told(tmp_path / "m.csv")
    assert rows[0] == (2, {"a": "1", "b": "2"})
    assert rows[1] == (3, "has 3 values, but the first line names 2 columns")
    assert rows[2] == (5, "'a' is not UTF-8 text")
    assert rows[-1] == (8, {"a": "3", "b": "4"})


@pytest.mark.parametrize("header", ["a,a", "a,"])
def test_columns_need_different_names(tmp_path, header):
    (tmp_path / "m.csv").write_text(f"{header}\n1,2\n")
    with pytest.raises(FavorError, match="line 1: the names of the columns must differ"):
        told(tmp_path / "m.csv")


def test_rows_of_large_parquet_files_are_numbered_throughout(tmp_path):
    pd.DataFrame({"n": range(1, 2 * PARQUET_ROWS + 2)}).to_parquet(tmp_path / "m.parquet")
    assert all(number == row["n"] for number, row in read_rows(str(tmp_path / "m.parquet")))


def test_what_is_no_parquet_file_is_refused(tmp_path):
    (tmp_path / "m.parquet").write_text(json.dumps(ROWS[0]))
    with pytest.raises(FavorError, match=r"m\.parquet is damaged or not a Parquet file"):
        told(tmp_path / "m.parquet")
