"""Reading and writing frozen dataclasses as JSON or TOML values, with every key and type checked."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeVar

from favor.errors import ConfigError

_T = TypeVar("_T")
SignedInt = Annotated[int, "may be negative"]  # all other numbers must not be negative


def read_dataclass(cls: type[_T], values: Any, where: str) -> _T:
    """Builds a dataclass from JSON values; omitted fields take their defaults.

    Args:
        cls: the dataclass. Its fields may be scalars, fractions, literals, tuples, sets, dictionaries with string keys,
            such dataclasses, or unions of these; in a union of dataclasses, the first one with all keys is chosen.
        values: a mapping from field names to values.
        where: the name of the object, for error messages.

    Raises:
        ConfigError: for an unknown or missing key, or an invalid value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} must be an object with the fields of {cls.__name__}; got {values!r}")
    hints = typing.get_type_hints(cls, include_extras=True)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ConfigError(f"{where} has no key {unknown[0]!r}; it knows {', '.join(hints)}")
    missing = [name for name in _required(cls) if name not in values]
    if missing:
        raise ConfigError(f"{where} lacks {missing[0]!r}; give it a value")
    return cls(**{key: _read_value(hints[key], value, f"{where}.{key}") for key, value in values.items()})


def to_json(record: Any) -> dict[str, Any]:
    """Converts a dataclass to JSON values, which ``read_dataclass`` reads back."""
    return _to_json(dataclasses.asdict(record))


def merge_values(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``base`` with some values replaced, at any depth."""
    merged = dict(base)
    for key, value in values.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = merge_values(merged[key], value) if both else value
    return merged


def _required(cls: Any) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(_to_json(item) for item in value)
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _read_value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return read_dataclass(typing.cast(type, hint), value, where)
    reader = _READERS.get(typing.get_origin(hint), _read_scalar)
    return reader(hint, value, where)


def _read_union(hint: Any, value: Any, where: str) -> Any:
    if value is None and types.NoneType in typing.get_args(hint):
        return None
    options = [option for option in typing.get_args(hint) if option is not types.NoneType]
    records = [option for option in options if dataclasses.is_dataclass(option)]
    if len(records) > 1 and isinstance(value, Mapping):
        return read_dataclass(_matching(records, value, where), value, where)
    return _read_value(options[0], value, where)


def _matching(records: list[Any], values: Mapping[str, Any], where: str) -> Any:
    fields = {record: [field.name for field in dataclasses.fields(record)] for record in records}
    for record, names in fields.items():
        if set(_required(record)) <= set(values) <= set(names):
            return record
    known = " or ".join(f"{record.__name__} ({', '.join(names)})" for record, names in fields.items())
    given = f"has the keys {', '.join(values)}" if values else "is empty"
    raise ConfigError(f"{where} {given}; it must be {known}")


def _read_literal(hint: Any, value: Any, where: str) -> Any:
    if value not in typing.get_args(hint):
        raise ConfigError(f"{where} is {value!r}; it must be one of {', '.join(map(str, typing.get_args(hint)))}")
    return value


def _read_dict(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{where} must be an object; got {value!r}")
    return {key: _read_value(typing.get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}


def _read_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    return _read_items(typing.get_args(hint), value, where)


def _read_items(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list; got {value!r}")
    hints = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
    if len(hints) != len(value):
        raise ConfigError(f"{where} must have {len(hints)} entries; got {value!r}")
    return tuple(_read_value(item_hint, item, where) for item_hint, item in zip(hints, value, strict=True))


def _read_set(hint: Any, value: Any, where: str) -> frozenset[Any]:
    return frozenset(_read_items((*typing.get_args(hint), Ellipsis), value, where))


def _read_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Fraction:
        return read_fraction(value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, hint) or isinstance(value, bool) != (hint is bool):
        raise ConfigError(f"{where} must be {hint.__name__}; got {value!r}")
    if hint is int and value < 0:
        raise ConfigError(f"{where} is {value}; it must not be negative")
    return value


def read_fraction(value: Any, where: str) -> Fraction:
    """Reads a number, or text such as "1/2", as an exact fraction.

    Raises:
        ConfigError: if it is neither, or negative.
    """
    try:
        fraction = Fraction(str(value))  # via text, so that 0.1 becomes 1/10 rather than the nearest binary fraction
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f'{where} must be a number or a fraction such as "1/2"; got {value!r}') from None
    if fraction < 0:
        raise ConfigError(f"{where} is {fraction}; it must not be negative")
    return fraction


def _read_signed(hint: Any, value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigError(f"{where} must be int; got {value!r}")
    return value


_READERS: dict[Any, Callable[[Any, Any, str], Any]] = {
    types.UnionType: _read_union,
    typing.Union: _read_union,
    Literal: _read_literal,
    tuple: _read_tuple,
    dict: _read_dict,
    frozenset: _read_set,
    Annotated: _read_signed,
}
