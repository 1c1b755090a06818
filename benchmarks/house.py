"""Structure of a checkout's code: fullest folder, names defined twice, modules that use a run's options.

Run it as ``python benchmarks/house.py [CHECKOUT ...]``; each checkout gets a column.
"""

import ast
import collections
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ("favor", "transforms", "pipeline", "jobs")


def modules(checkout: Path) -> dict[Path, ast.Module]:
    """Parses all modules in the wheel."""
    return {
        path.relative_to(checkout): ast.parse(path.read_text(encoding="utf-8"))
        for package in SHIPPED
        for path in sorted((checkout / package).rglob("*.py"))
    }


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yields the classes, functions and constants that a module defines for others."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        else:
            names = [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]
        yield from (name for name in names if not name.startswith("_"))


def figures(checkout: Path) -> dict[str, str]:
    """Returns the counts by description."""
    trees = modules(checkout)
    folders = collections.Counter(path.parent for path in trees if path.name != "__init__.py")
    homes = collections.Counter(name for tree in trees.values() for name in set(public_names(tree)))
    users = [
        path
        for path, tree in trees.items()
        if any(isinstance(node, ast.Name | ast.alias) and _name(node) == "RunOptions" for node in ast.walk(tree))
    ]
    fullest, files = folders.most_common(1)[0]
    return {
        "modules": str(len(trees)),
        "lines": str(sum(len((checkout / path).read_text(encoding="utf-8").splitlines()) for path in trees)),
        "fullest folder": f"{files} files, {fullest}",
        "public names defined twice": str(sum(count > 1 for count in homes.values())),
        "modules that use RunOptions": str(len(users)),
    }


def _name(node: ast.Name | ast.alias) -> str:
    return node.id if isinstance(node, ast.Name) else node.name


def main() -> None:
    """Prints the counts as a table."""
    columns = [figures(Path(argument)) for argument in sys.argv[1:] or [str(ROOT)]]
    for name in columns[0]:
        print(f"{name:30}", *(f"{column[name]:32}" for column in columns))


if __name__ == "__main__":
    main()
