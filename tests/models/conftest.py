import shutil
from pathlib import Path

import pytest


@pytest.fixture
def register(tmp_path, monkeypatch):
    """The function that registers models by entry points, as an installed distribution named "others" does.

    Args:
        entries: values of entry points of the group ``favor.models`` by name.
        modules: files that are copied beside them.
    """

    def register(entries: dict[str, str], *modules: Path) -> None:
        info = tmp_path / "site" / "others-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[favor.models]", *lines]))
        for module in modules:
            shutil.copy(module, info.parent)
        monkeypatch.syspath_prepend(info.parent)

    return register


@pytest.fixture
def toy(register):
    """Registers the toy family as "toy"."""
    register({"toy": "toy_family:FAMILY"}, Path(__file__).with_name("toy_family.py"))
