"""Checks wheels: ``wheels.py FIRST SECOND`` makes sure that both hold the same, and what belongs in them."""

import fnmatch
import sys
import zipfile

ROOMS = {"favor", "transforms", "pipeline", "jobs"}
SHIPPED = (
    "favor/py.typed",
    "favor/weights/favor-mini/model.safetensors",
    "favor/weights/favor-mini/LICENSE-whisper.txt",
    "favor/synthetic/rendering/voice_bank/NOTICE",
    "*.dist-info/licenses/LICENSE",
    "*.dist-info/licenses/favor/weights/favor-mini/LICENSE-whisper.txt",
    "*.dist-info/licenses/favor/synthetic/rendering/voice_bank/NOTICE",
)


def main(first: str, second: str) -> None:
    """Exits with a line for whatever is wrong."""
    files, others = checksums(first), checksums(second)
    wrong = [f"{name} differs between {first} and {second}" for name, _ in sorted(files.items() ^ others.items())]
    wrong += [f"{first} lacks {pattern}" for pattern in SHIPPED if not fnmatch.filter(files, pattern)]
    rooms = {name.split("/")[0] for name in files if ".dist-info/" not in name}
    wrong += [f"{first} should not hold {room}" for room in sorted(rooms - ROOMS)]
    if wrong:
        sys.exit("\n".join(wrong))


def checksums(wheel: str) -> dict[str, int]:
    """Returns the files of a wheel with their checksums."""
    with zipfile.ZipFile(wheel) as archive:
        return {file.filename: file.CRC for file in archive.infolist()}


if __name__ == "__main__":
    main(*sys.argv[1:])
