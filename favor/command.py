"""The entry point of the ``favor`` command: checks that Python finds our own packages, then runs ``jobs.main``.

``transforms``, ``pipeline`` and ``jobs`` are common names, and another package with one of these names hides ours if it
comes earlier on Python's path. This check must be in ``favor``, a name nobody else uses, and import nothing but the
standard library. This is the only module of ``favor`` that imports ``jobs``, the one exception to the rule that
imports go from ``jobs`` down to ``favor``.
"""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # site-packages or a checkout; in both, the three are next to ``favor``
PACKAGES = ("transforms", "pipeline", "jobs")


def run_command() -> None:
    """Runs the command line, or exits with a one-line message if other packages hide ours."""
    hiding = find_foreign()
    if hiding:
        sys.exit(
            f"Error: Python finds {' and '.join(map(str, hiding))} before favor's own package of that name in {ROOT}; "
            "take it off PYTHONPATH, uninstall it, or install favor-on-beam in a virtual environment of its own"
        )
    # Python searches the current directory first when it runs a module (``-m``), as worker processes do. This process
    # did not search it, so its workers must not either: a user's ``pipeline.py`` there would hide ours from them.
    os.environ["PYTHONSAFEPATH"] = "1"
    from jobs.main import main

    main()


def find_foreign() -> list[Path]:
    """Returns the paths of packages and modules that Python finds instead of ours, without importing them."""
    specs = {name: importlib.util.find_spec(name) for name in PACKAGES}
    found = {name: Path(spec.origin).resolve() for name, spec in specs.items() if spec and spec.origin}
    return [
        path.parent if path.name == "__init__.py" else path
        for name, path in found.items()
        if path != ROOT / name / "__init__.py"
    ]
