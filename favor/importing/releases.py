"""The files that each released model is made from, and where they are published."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from favor.errors import FavorError
from favor.models.favor.presets import preset

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WEIGHT_SUFFIXES = (".bin", ".pt", ".pth", ".safetensors")

HUB_WEIGHTS = (
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
)


@dataclasses.dataclass(frozen=True)
class SourceKind:
    """A kind of source that a model is made from: a file or a folder.

    Attributes:
        what: a description for users.
        published: where it is published, for users, one place per line.
        file: its name in a hub repository that also holds other files; None if it is not on the hub.
        patterns: globs of the files that are used in a folder; none for a single file.
    """

    what: str
    published: tuple[str, ...]
    file: str | None = None
    patterns: tuple[str, ...] = ()


LAVIS = "https://storage.googleapis.com/sfr-vision-language-research/LAVIS/models"

SOURCE_KINDS = {
    "delta": SourceKind("the trained parameters", ()),
    "eva": SourceKind("the ViT", (f"{LAVIS}/BLIP2/eva_vit_g.pth",), file="eva_vit_g.pth"),
    "instructblip": SourceKind(
        "the image Q-Former",
        (
            f"{LAVIS}/InstructBLIP/instruct_blip_vicuna13b_trimmed.pth",
            "or hub Salesforce/instructblip-vicuna-13b, which holds the ViT too, then without --eva",
        ),
        patterns=HUB_WEIGHTS,
    ),
    "whisper": SourceKind("the speech encoder", ("hub openai/whisper-large-v2",), patterns=HUB_WEIGHTS),
    "llm": SourceKind("Vicuna and its tokenizer", (), patterns=(*HUB_WEIGHTS, "tokenizer.model")),
    "bert": SourceKind("the questions' vocabulary", ("hub bert-base-uncased",), patterns=("vocab.txt",)),
    "beats": SourceKind(
        "the sound-event encoder",
        ("https://github.com/microsoft/unilm/tree/master/beats, whose link has been broken more than once",),
        file="BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt",
    ),
}

FAVOR_SOURCES = ("delta", "eva", "instructblip", "whisper", "llm", "bert")


@dataclasses.dataclass(frozen=True)
class Release:
    """The released files that a preset is made from.

    Attributes:
        preset: the preset's name.
        kinds: the sources it needs, by option name.
    """

    preset: str
    kinds: dict[str, SourceKind]

    def check(self, given: Mapping[str, str]) -> None:
        """Checks that the user's sources may be a whole release, without reading any file.

        Args:
            given: a path, an fsspec URL or a hub id for each option.

        Raises:
            FavorError: if a source is missing, not needed, or a path that does not exist.
        """
        surplus = sorted(given.keys() - self.kinds.keys())
        if surplus:
            raise FavorError(f"{self.preset} needs no --{surplus[0]}")
        missing = [option for option in self.kinds if option not in given and option != "eva"]
        if missing:
            raise FavorError(f"{self.preset} needs --{missing[0]} too: {self.kinds[missing[0]].what}")
        for option, source in given.items():
            check_source(source, self.kinds[option], option)

    def __str__(self) -> str:
        lines = [f"favor import {self.preset}"]
        for name, kind in self.kinds.items():
            lines += [f"  --{name:<13} {kind.what}", *(f"{'':<18}{place}" for place in kind.published)]
        return "\n".join(lines)


def check_source(given: str, kind: SourceKind, option: str) -> None:
    """Checks that a source exists on this machine, or may exist elsewhere.

    Args:
        given: a path, an fsspec URL, ``owner/repository`` or ``owner/repository/file`` on the hub.
        kind: the kind of source.
        option: the option's name, for error messages.

    Raises:
        FavorError: if it is a path that does not exist.
    """
    if Path(given).expanduser().exists() or "://" in given:
        return
    repository, file = split_hub_name(given)
    if not HUB_ID.fullmatch(repository) or (not file and given.endswith(WEIGHT_SUFFIXES)):
        raise FavorError(f"--{option}: there is no file or folder {given}")
    if not (file or kind.file or kind.patterns):
        raise FavorError(f"--{option}: there is no file {given}; of the hub give OWNER/REPOSITORY/FILE")


def split_hub_name(given: str) -> tuple[str, str]:
    """Splits a name on the hub into the repository and the file in it, which may be empty."""
    owner, _, rest = given.partition("/")
    name, _, file = rest.partition("/")
    return f"{owner}/{name}" if name else owner, file


def check_random(name: str) -> None:
    """Checks that a model with random weights can be made from a preset.

    Raises:
        FavorError: if there is no such preset.
    """
    preset(name)


def _recipe(name: str, names: tuple[str, ...], delta: SourceKind, vicuna: str) -> Release:
    llm = dataclasses.replace(SOURCE_KINDS["llm"], published=(vicuna,))
    return Release(name, {**{source: SOURCE_KINDS[source] for source in names}, "delta": delta, "llm": llm})


def _delta(*published: str, file: str | None = None) -> SourceKind:
    return SourceKind("the trained parameters", published, file)


RELEASES = {
    recipe.preset: recipe
    for recipe in (
        _recipe(
            "favor-13b",
            FAVOR_SOURCES,
            _delta("pytorch_model_1_101.pt in the drive folder that https://github.com/BriansIDP/AudioVisualLLM names"),
            "hub lmsys/vicuna-13b-v1.1 (the release does not say which version; v1.5 was reported to work badly)",
        ),
        _recipe(
            "favor-7b",
            FAVOR_SOURCES,
            _delta("nowhere: the paper has such a model, its authors released none"),
            "hub lmsys/vicuna-7b-v1.1",
        ),
        _recipe(
            "video-salmonn-13b",
            (*FAVOR_SOURCES, "beats"),
            _delta(
                "hub tsinghua-ee/Video-SALMONN",
                "SHA-256 2f2c63cdb62b8b4ddf11e311e203c874e6c85c4ba9ed61f757c65248903ff544",
                file="pytorch_model_4_5001.pt",
            ),
            "hub lmsys/vicuna-13b-v1.5",
        ),
    )
}


def recipe(name: str) -> Release:
    """Returns the recipe of a preset.

    Raises:
        FavorError: if there is no such recipe.
    """
    if name not in RELEASES:
        raise FavorError(f"there is no recipe for {name!r}; there are {', '.join(RELEASES)}")
    return RELEASES[name]
