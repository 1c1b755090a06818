from click.testing import CliRunner

from jobs.main import main
from pipeline.output.record import RecordAnswers


def test_a_row_that_never_arrives_makes_the_command_fail(tmp_path, write_clip, monkeypatch):
    clip = write_clip(tmp_path / "film.mkv", 1.5, audio=None)
    whole = RecordAnswers.process

    def losing(self, answered):
        if answered.rows[0][1].start_ms:
            whole(self, answered)

    monkeypatch.setattr(RecordAnswers, "process", losing)
    options = ["--window-seconds", "0.5", "--max-new-tokens", "1"]
    result = CliRunner().invoke(main, ["caption", str(clip), "-o", str(tmp_path / "out"), *options])
    assert result.exit_code == 1
    assert "windows    3: 2 succeeded, 0 failed, 0 skipped" in result.output
    assert "1 windows have no outcome: rows were lost" in result.output
