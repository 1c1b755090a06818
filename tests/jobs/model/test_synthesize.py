from click.testing import CliRunner

from jobs.main import main


def run(*arguments):
    return CliRunner().invoke(main, ["synthesize", *map(str, arguments)])


def test_clips_are_written_and_counted(tmp_path):
    result = run("-o", tmp_path / "world", "--clips", 2, "--split", "validation")
    assert result.exit_code == 0, result.output
    assert "2 clips, 2 of them written now" in result.output
    assert sorted(path.stem for path in (tmp_path / "world" / "clips").iterdir()) == [
        "validation-000000",
        "validation-000001",
    ]


def test_a_wrong_folder_is_told_in_one_line(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    result = run("-o", tmp_path, "--clips", 1)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error:")
    assert "give another folder" in result.output
