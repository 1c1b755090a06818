"""Frozen dataclasses that are read from JSON or TOML values, every key and type checked."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from favor.errors import ConfigError

_T = TypeVar("_T")


def read_dataclass(cls: type[_T], values: Any, where: str) -> _T:
    """Makes a dataclass of JSON values; what is not given has its default.

    Args:
        cls: of fields that are scalars, literals, tuples or dataclasses of such.
        values: a mapping of its fields.
        where: the name of the whole, for messages.

    Raises:
        ConfigError: for an unknown or missing key, or an impossible value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} must be an object with the fields of {cls.__name__}; got {values!r}")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(f"{where} has no key {unknown[0]!r}; it knows {', '.join(hints)}")
    required = [
        field.name
        for field in dataclasses.fields(typing.cast(Any, cls))
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigError(f"{where} lacks {missing[0]!r}; give it a value")
    return cls(**{key: _read_value(hints[key], value, f"{where}.{key}") for key, value in values.items()})


def to_json(record: Any) -> dict[str, Any]:
    """A dataclass as JSON values; ``read_dataclass`` reads it back."""
    return _to_json(dataclasses.asdict(record))


def merge_values(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values with some replaced, at any depth."""
    merged = dict(base)
    for key, value in values.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = merge_values(merged[key], value) if both else value
    return merged


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _read_value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        hints = [option for option in typing.get_args(hint) if option is not types.NoneType]
        return None if value is None else _read_value(hints[0], value, where)
    if dataclasses.is_dataclass(hint):
        return read_dataclass(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise ConfigError(f"{where} is {value!r}; it must be one of {', '.join(typing.get_args(hint))}")
        return value
    if typing.get_origin(hint) is tuple:
        return _read_tuple(hint, value, where)
    return _read_scalar(hint, value, where)


def _read_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list; got {value!r}")
    args = typing.get_args(hint)
    hints = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
    if len(hints) != len(value):
        raise ConfigError(f"{where} must have {len(hints)} entries; got {value!r}")
    return tuple(_read_value(item_hint, item, where) for item_hint, item in zip(hints, value, strict=True))


def _read_scalar(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, hint) or isinstance(value, bool):
        raise ConfigError(f"{where} must be {hint.__name__}; got {value!r}")
    if isinstance(value, int) and value < 0:
        raise ConfigError(f"{where} is {value}; it must not be negative")
    return value
