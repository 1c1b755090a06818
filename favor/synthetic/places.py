"""Places of the picture in words."""

COLUMNS = ("left", "middle", "right")
ROWS = ("top", "middle", "bottom")
BORDERS = (0.35, 0.65)  # between the columns, and between the rows


def place_phrase(x: float, y: float) -> str:
    """Returns where a place is: "on the left", "at the top right", "in the middle", ..."""
    column, row = (sum(value > border for border in BORDERS) for value in (x, y))
    if row == 1:
        return "in the middle" if column == 1 else f"on the {COLUMNS[column]}"
    return f"at the {ROWS[row]}" if column == 1 else f"at the {ROWS[row]} {COLUMNS[column]}"


PLACE_PHRASES = tuple(place_phrase(x, y) for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8))
