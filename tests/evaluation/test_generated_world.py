import pytest

from favor.evaluation.generated_world import score_model, things
from favor.models.favor.model import FavorModel
from favor.synthetic import WORLD_TASKS


def test_objects_and_sounds_of_a_caption_are_found_with_their_names():
    caption = (
        "A large blue square is on the left. A bell rings twice, then a red circle vanishes. The blue square moves."
    )
    assert set(things(caption)) == {"blue square", "red circle", "bell rings"}
    assert not things("A voice says: the farmer sees a square.")


def test_random_weights_score_nothing_and_the_table_is_whole(untrained_folder):
    scores = score_model(FavorModel.from_pretrained(untrained_folder, device="cpu"), len(WORLD_TASKS))
    assert {name.split()[0] for name in scores} == {*WORLD_TASKS, "all"}
    for values in scores.values():
        assert values["n"] >= 1
        measured = [name for name in ("accuracy", "wer", "recall") if name in values]
        assert len(measured) == 1
        assert measured == ["wer"] or values[measured[0]] == pytest.approx(0, abs=0.6)
        low, high = values[f"{measured[0]}_interval"]
        assert low <= min(1, values[measured[0]]) <= high


def test_what_is_asked_of_all_tasks_is_scored_together(untrained_folder):
    scores = score_model(FavorModel.from_pretrained(untrained_folder, device="cpu"), len(WORLD_TASKS))
    for kind in ("static", "causal"):
        parts = [values["n"] for name, values in scores.items() if name.endswith(kind) and not name.startswith("all")]
        assert scores[f"all {kind}"]["n"] == sum(parts)


def test_clips_of_some_tasks_may_be_taken_from_a_place_on(untrained_folder):
    model = FavorModel.from_pretrained(untrained_folder, device="cpu")
    assert set(score_model(model, 2, first=500, tasks=["asr", "ocr"])) == {"asr", "ocr static", "all static"}
    assert score_model(model, 1, first=500, tasks=["asr"]) != score_model(model, 1, first=501, tasks=["asr"])


@pytest.mark.parametrize(("without", "gone"), [("audio", {"asr", "ac"}), ("video", {"ic", "ocr", "vqa"})])
def test_clips_may_lose_their_sound_or_picture(without, gone):
    scores = score_model(FavorModel.from_pretrained("favor-mini", device="cpu"), 2 * len(WORLD_TASKS), without=without)
    assert not {name.split()[0] for name in scores} & gone
    assert all(name.endswith((f" needs {without}", f" does not need {without}")) for name in scores)
    assert f"avssd needs {without}" in scores
