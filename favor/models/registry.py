"""Models by name: packaged models, model folders, and entry points that other distributions register."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from favor.errors import FavorError
from favor.models.base import ClipModel, ModelCard, ModelFamily
from favor.models.favor.family import FavorFamily
from favor.models.favor.folder import CONFIG
from favor.models.favor.presets import PRESETS
from favor.models.placement import Placement

ENTRY_POINTS = "favor.models"
AUTO = Placement()


def describe(name: str) -> ModelCard:
    """Describes a model without loading its weights.

    Args:
        name: a packaged name, the name of an entry point of the group ``favor.models``, or a model folder. The
            ``model_type`` in a folder's config.json is the entry point of its family; FAVOR's folders have none.

    Raises:
        FavorError: if there is no such model, or its family cannot be loaded.
    """
    return _family(name).describe(name)


def open_model(name: str, placement: Placement = AUTO) -> ClipModel:
    """Loads a model.

    Args:
        name: as for `describe`.
        placement: device and precision; by default chosen for this machine.

    Raises:
        FavorError: if there is no such model, it cannot be loaded, or this machine lacks the device.
    """
    return _family(name).open(name, placement)


def _family(name: str) -> ModelFamily:
    if name in PRESETS:
        return FavorFamily()
    registered = _registered()
    if name in registered:
        return _load(registered[name])
    model_type = _model_type(Path(name), registered)
    if model_type is None:
        return FavorFamily()
    if model_type not in registered:
        raise FavorError(
            f"{name} is a model of type {model_type!r}, which no installed distribution opens; "
            f"there are {', '.join(registered) or 'none'}. Install the one that registers it in {ENTRY_POINTS}"
        )
    return _load(registered[model_type])


def _registered() -> Mapping[str, EntryPoint]:
    """Returns the entry points by name, without loading any."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _model_type(folder: Path, registered: Mapping[str, EntryPoint]) -> str | None:
    """Reads the ``model_type`` of a model folder; None for FAVOR's folders.

    Raises:
        FavorError: if it is not a model folder, or its ``model_type`` is not text.
    """
    if not (folder / CONFIG).is_file():
        known = ", ".join([*PRESETS, *registered])
        raise FavorError(f"{folder} is neither a model folder (it has no {CONFIG}) nor one of the models {known}")
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError:  # not UTF-8, or not JSON
        return None  # FAVOR's reader reports what is wrong with it
    model_type = values.get("model_type") if isinstance(values, dict) else None
    if model_type is not None and not isinstance(model_type, str):
        raise FavorError(f"the model_type in {folder / CONFIG} must be text; got {model_type!r}")
    return model_type


def _load(point: EntryPoint) -> ModelFamily:
    source = f"the model {point.name!r} that {point.dist.name if point.dist else 'a distribution'} registers"
    with _in_one_line(f"{source} as {point.value} cannot be loaded"):
        family = point.load()
    if isinstance(family, type):
        raise FavorError(f"{source} as {point.value} is a class; register an instance of it")
    missing = [method for method in ("describe", "open") if not callable(getattr(family, method, None))]
    if missing:
        raise FavorError(f"{source} as {point.value} has no method {missing[0]}(); see favor.models.base.ModelFamily")
    return _RegisteredFamily(family, source)


class _RegisteredFamily:
    """A family of another distribution, whose code may raise anything.

    Args:
        family: the family.
        source: what it is and where it comes from, for messages.
    """

    def __init__(self, family: ModelFamily, source: str) -> None:
        self._family = family
        self._source = source

    def describe(self, name: str) -> ModelCard:
        """Returns the model's card."""
        with _in_one_line(f"{self._source} cannot be described"):
            return self._family.describe(name)

    def open(self, name: str, placement: Placement) -> ClipModel:
        """Loads the model."""
        with _in_one_line(f"{self._source} cannot be opened"):
            return self._family.open(name, placement)


@contextlib.contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Turns what third-party code raises in the block into an error that says whose it is."""
    try:
        yield
    except FavorError:
        raise
    except Exception as error:
        raise FavorError(f"{what}: {type(error).__name__}: {error}") from error
