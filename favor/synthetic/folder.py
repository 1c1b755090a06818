"""A folder of generated clips: media files, a manifest, questions and references."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from favor.errors import FavorError
from favor.synthetic.questions.items import Item
from favor.synthetic.rendering.film import suffix, write_scene
from favor.synthetic.scene import Scene
from favor.synthetic.world import VERSION, write

CLIPS, MANIFEST_FILE, QUESTIONS_FILE, REFERENCES = "clips", "manifest.jsonl", "questions.jsonl", "references.jsonl"
WORLD = "world.json"  # world version, split and seed of the clips
PARTIAL = ".partial"

JsonObject = dict[str, Any]


def synthesize(
    output: Path, split: str, seed: int, clips: int, progress: Callable[[], object] = lambda: None
) -> tuple[int, int]:
    """Writes the first clips of a seed into a folder, skipping those already there.

    Each file is written atomically and the tables come last, so an interrupted run is resumed by repeating the call.

    Args:
        output: folder for the clips and tables, created if missing.
        split: prefix of the clip ids.
        seed: seed of the clips.
        clips: number of clips.
        progress: called after each clip.

    Returns:
        The number of clips written by this call, and the total number of questions.

    Raises:
        FavorError: if the folder contains other clips or files.
        OSError: if a file cannot be written.
    """
    _claim(output, {"version": VERSION, "split": split, "seed": seed})
    (output / CLIPS).mkdir(exist_ok=True)
    manifest: list[JsonObject] = []
    questions: list[JsonObject] = []
    references: list[JsonObject] = []
    written = 0
    for index in range(clips):
        clip_id = f"{split}-{index:06d}"
        scene, items = write(seed, index)
        path = output / CLIPS / f"{clip_id}{suffix(scene)}"
        if not path.is_file():
            partial = path.with_name(f"{path.stem}{PARTIAL}{path.suffix}")
            write_scene(partial, scene)
            partial.replace(path)
            written += 1
        manifest.append(_described(clip_id, path.relative_to(output), scene))
        for number, item in enumerate(items):
            asked = {"question_id": f"{clip_id}-{number}", "uri": str(path.absolute())}
            questions.append({**asked, "question": item.question})
            references.append({**asked, **_reference(item)})
        progress()
    for name, rows in ((MANIFEST_FILE, manifest), (QUESTIONS_FILE, questions), (REFERENCES, references)):
        _write_rows(output / name, rows)
    return written, len(questions)


def _claim(output: Path, world: JsonObject) -> None:
    """Creates the folder, or checks that its clips come from this world."""
    marker = output / WORLD
    if marker.is_file():
        found = json.loads(marker.read_text(encoding="utf-8"))
        if found != world:
            raise FavorError(f"{output} holds clips of {found}, not of {world}; give another folder")
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FavorError(f"{output} is there already and holds something else; give another folder")
    output.mkdir(parents=True, exist_ok=True)
    _write_rows(marker, [world])


def _described(clip_id: str, path: Path, scene: Scene) -> JsonObject:
    return {
        "id": clip_id,
        "uri": path.as_posix(),
        "seconds": scene.seconds,
        "figures": len(scene.figures),
        "transcript": scene.transcript,
    }


def _reference(item: Item) -> JsonObject:
    return {
        "task": item.task,
        "kind": item.kind,
        "needs": sorted(item.needs),
        "answer": item.answer,
        "choices": list(item.choices),
    }


def _write_rows(path: Path, rows: Iterable[JsonObject]) -> None:
    partial = path.with_name(f".{path.name}{PARTIAL}")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(path)
