"""The prices of machines, from a file that the user keeps: no cloud's prices are in this package."""

from favor.errors import FavorError
from favor.rows import RowError, read_rows
from pipeline.forecast import Price

COLUMNS = "machine, price_per_hour and currency"


def read_price(path: str, machine: str) -> Price:
    """Looks a machine up.

    Args:
        path: CSV, JSON lines or Parquet with the columns ``machine``, ``price_per_hour`` and ``currency``; local or any
            fsspec URL.
        machine: its name in the file.

    Raises:
        FavorError: if the file has no such machine, or is no such file.
        OSError: if it cannot be read.
    """
    known = []
    for number, row in read_rows(path):
        where = f"{path}, line {number}"
        if isinstance(row, RowError):
            raise FavorError(f"{where}: {row}")
        if row.get("machine") != machine:
            known.append(str(row.get("machine")))
            continue
        try:
            return Price(float(row["price_per_hour"]), str(row["currency"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FavorError(f"{where}: {machine} needs the columns {COLUMNS}; got {row}") from error
    raise FavorError(f"{path} has no machine {machine!r}; it has {', '.join(known) or 'none'}, by {COLUMNS}")
