import os
import subprocess
import sys
from pathlib import Path

import pytest

import favor

ROOT = Path(favor.__file__).parents[1]
SAMPLE = Path(__file__).parents[1] / "samples" / "shapes.mp4"
# As the installed script does: without the current directory on the path.
COMMAND = [sys.executable, "-P", "-c", "from favor.command import run_command; run_command()"]
FAILS = "raise ImportError('a foreign package was imported')\n"


def run(*arguments, path=(), cwd=None):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))}
    return subprocess.run([*COMMAND, *arguments], env=environment, cwd=cwd, capture_output=True, text=True)


def plant(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAILS)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["status", "out"]])
@pytest.mark.parametrize("name", ["transforms", "pipeline", "jobs"])
def test_foreign_package_is_named_in_one_line(tmp_path, name, arguments):
    plant(tmp_path / name / "__init__.py")
    result = run(*arguments, path=[tmp_path])
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert f"{tmp_path / name} before favor's own package of that name in {ROOT}" in line
    assert "take it off PYTHONPATH, uninstall it, or install favor-on-beam in a virtual environment of its own" in line


def test_foreign_module_is_named_too(tmp_path):
    plant(tmp_path / "jobs.py")
    plant(tmp_path / "pipeline" / "__init__.py")
    (line,) = run("--version", path=[tmp_path]).stderr.splitlines()
    assert f"{tmp_path / 'pipeline'} and {tmp_path / 'jobs.py'} before" in line


def test_packages_behind_ours_and_folders_of_the_same_names_are_no_matter(tmp_path):
    (tmp_path / "front" / "jobs").mkdir(parents=True)  # without __init__.py, so Python prefers our package
    plant(tmp_path / "behind" / "jobs" / "__init__.py")
    result = run("--version", path=[tmp_path / "front", ROOT, tmp_path / "behind"])
    assert result.stdout.endswith(f", version {favor.__version__}\n"), result.stderr


def test_checkout_reached_through_a_link_is_ours(tmp_path):
    (tmp_path / "link").symlink_to(ROOT)
    assert run("--version", path=[tmp_path / "link"]).returncode == 0


def test_modules_in_the_current_directory_are_never_imported(tmp_path):
    for name in ["favor", "transforms", "pipeline", "jobs"]:
        plant(tmp_path / f"{name}.py")
    result = run("plan", str(SAMPLE), "--no-calibrate", cwd=tmp_path)  # files are read by a process of its own
    assert result.returncode == 0, result.stderr
    assert "foreign" not in result.stdout + result.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['favor', '--help']; from favor.command import run_command\n"
        "try: run_command()\n"
        "except SystemExit: print(sorted({'torch', 'numpy', 'apache_beam', 'av'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.endswith("[]\n")
