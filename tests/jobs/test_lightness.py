"""A command line that is wrong is refused at once: without torch and Beam, and with nothing written."""

import shlex
import subprocess
import sys

import pytest

# Runs a command in a process of its own and prints which of the heavy packages it has imported.
COMMAND = """
import sys
from jobs.main import main
try:
    main(sys.argv[1:])
finally:
    print("imported", *sorted({"torch", "apache_beam", "transformers"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, plain_clip):
    """A directory with a film and a few files that are wrong."""
    root = tmp_path_factory.mktemp("place")
    (root / "film.mp4").write_bytes(plain_clip.read_bytes())
    (root / "file").write_text("not a directory")
    (root / "bad.csv").write_text("uri,start\nfilm.mp4,soon\n")
    (root / "good.toml").write_text('model = "favor-9000"\n[[stages]]\nname = "one"\nsteps = 1\nmix.ac = 1\n')
    return root


def run(place, line):
    """Runs a command and returns its status, what it says and what it has imported, after a look at what it wrote."""
    before = sorted(place.rglob("*"))
    command = [sys.executable, "-c", COMMAND, *shlex.split(line)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place)
    assert sorted(place.rglob("*")) == before
    *said, imported = done.stderr.splitlines()
    return done.returncode, said, imported.split()[1:]


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        # words
        ("caption film.mp4 -o out --nonsense", 2, "--nonsense"),
        ("caption film.mp4 -o ''", 2, "an empty name"),
        ("caption film.mp4 '' -o out", 2, "an empty name"),
        ("caption film.mp4 -o out --sample 0%", 2, "'0%' is not a share"),
        ("caption film.mp4 -o out --workers 2 --runner DataflowRunner", 2, "--workers is for this machine"),
        ("caption film.mp4 -o out --partition-by year", 1, "--partition-by 'year'"),
        ("caption film.mp4 -o out --device abacus", 1, "device 'abacus' is unknown; give auto, cpu, cuda or cuda:1"),
        ("caption film.mp4 -o out --prompt 'In {language}?'", 1, "needs a manifest with a column 'language'"),
        ("qa film.mp4 -o out", 2, "give --question TEXT or --questions FILE"),
        ("plan film.mp4 --machine big", 2, "--prices with --machine"),
        ("import favor-13b -o out", 1, "favor-13b needs --delta too"),
        ("import --random favor-mini -o out --whisper x", 2, "--random needs no --whisper"),
        # paths
        ("caption gone.mp4 -o out", 1, "no file could be read; the first failure: gone.mp4: no such file or directory"),
        ("caption gone.mp4 file/x.mp4 -o out", 1, "the first failure: gone.mp4: no such file"),
        ("caption file/x.mp4 -o out", 1, "Not a directory"),
        ("caption gone.jsonl -o out", 1, "cannot read the manifest gone.jsonl"),
        ("caption bad.csv -o out", 1, "bad.csv, line 2: 'start' is 'soon'"),
        ("caption film.mp4 -o file", 1, "file is a file, so --output file cannot be a directory"),
        ("qa film.mp4 -o out --questions gone.csv", 1, "cannot read the questions in gone.csv"),
        ("plan gone.mp4", 1, "no file could be read; the first failure: gone.mp4"),
        ("plan film.mp4 --prices gone.csv --machine x", 1, "gone.csv"),
        ("status gone", 1, "gone is no output"),
        ("diff gone also-gone", 1, "gone is no output"),
        ("train gone.toml -o out", 1, "gone.toml cannot be read"),
        ("train good.toml -o out --init gone", 1, "gone is neither a model folder"),
        ("import --random favor-mini -o out --config gone.json", 1, "gone.json"),
        # models
        ("caption film.mp4 -o out --model favor-9000", 1, "favor-9000 is neither a model folder"),
        ("caption film.mp4 -o out --model favor-13b", 1, "the weights of favor-13b do not come with this package"),
        ("transcribe film.mp4 -o out --model file", 1, "file is neither a model folder"),
        ("plan film.mp4 --model favor-9000", 1, "favor-9000 is neither a model folder"),
        ("train good.toml -o out", 1, "favor-9000"),
        ("import favor-9000 -o out", 1, "there is no recipe for 'favor-9000'"),
        ("import --random favor-9000 -o out", 1, "there is no model named 'favor-9000'"),
    ],
)
def test_what_is_wrong_is_refused_at_once(place, line, status, message):
    returned, said, imported = run(place, line)
    assert returned == status
    assert sum(text.startswith("Error: ") for text in said) == 1
    assert message in said[-1]
    assert imported == []


@pytest.mark.parametrize("line", ["--help", "caption --help", "plan film.mp4 --no-calibrate", "import --list"])
def test_what_needs_no_model_does_not_wait_for_it(place, line):
    returned, _, imported = run(place, line)
    assert returned == 0
    assert imported == []


def test_a_path_that_leads_nowhere_beside_one_that_does_is_left_to_the_run(place):
    from pipeline.inputs import check_corpus

    check_corpus([str(place / "gone.mp4"), str(place / "film.mp4")])
    check_corpus([str(place / "gone.mp4"), str(place / "later*.mp4")])
    check_corpus([str(place / "gone.mp4"), "s3://bucket/films"])
