"""A value in the shape that its reader asks for: a dataclass, an enum, a number, lists and dictionaries of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIMPLE = (bool, int, float, str)


def shaped(value: Any, into: Any, name: str) -> Any:
    """Return ``value`` as ``into`` says: a class, or ``list[…]``, ``dict[str, …]``, ``X | None`` of such.

    Args:
        value: What was received.
        into: The wanted type.
        name: What messages call the value.

    Raises:
        ValueError: if it does not fit; the message says where, and never shows the value: it may be a secret.
    """
    import types
    import typing

    if into is typing.Any or into is None:
        return value
    origin, args = typing.get_origin(into), typing.get_args(into)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, args, name)
    if origin in (list, tuple, set, frozenset):
        if not isinstance(value, list | tuple | set | frozenset):
            raise _misfit(value, into, name)
        return origin(shaped(item, args[0], f"{name}[{n}]") for n, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _misfit(value, into, name)
        return {key: shaped(item, args[1], f"{name}[{key!r}]") for key, item in value.items()}
    return _as_class(value, into, name)


def _one_of(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    if value is None and type(None) in choices:
        return None
    problem: ValueError | None = None
    for choice in (each for each in choices if each is not type(None)):
        try:
            return shaped(value, choice, name)
        except ValueError as misfit:
            problem = misfit
    raise problem or _misfit(value, choices, name)


def _as_class(value: Any, into: Any, name: str) -> Any:
    import enum

    if not isinstance(into, type):
        raise ValueError(f"{name} can't be read into {into!r}: name a class, or list[…] and dict[str, …] of one")
    if hasattr(into, "__dataclass_fields__"):
        return _as_dataclass(value, into, name)
    if isinstance(value, into) and not (isinstance(value, bool) and into is not bool):
        return value
    if issubclass(into, enum.Enum):
        try:
            return into(value)
        except ValueError:
            raise _misfit(value, into, name) from None
    return _as_simple(value, into, name)


def _as_simple(value: Any, into: type, name: str) -> Any:
    """Convert what means the same: a whole number is a float, and text may say a number or true and false."""
    if into is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if into is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if into in _SIMPLE and into is not bool and isinstance(value, str):
        try:
            return into(value)
        except ValueError:
            raise _misfit(value, into, name) from None
    raise _misfit(value, into, name)


def _as_dataclass(value: Any, into: Any, name: str) -> Any:
    import typing
    from dataclasses import MISSING, fields

    if isinstance(value, into):
        return value
    if not isinstance(value, dict):
        raise _misfit(value, into, name)
    hints = typing.get_type_hints(into)
    known = {field.name: field for field in fields(into) if field.init}
    if unknown := value.keys() - known.keys():
        raise ValueError(f"{name} has {sorted(unknown)}, which {into.__name__} does not")
    given = {key: shaped(item, hints[key], f"{name}.{key}") for key, item in value.items()}
    missing = [
        key for key, field in known.items() if key not in given and field.default is field.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f"{name} lacks {missing}, which {into.__name__} needs")
    return into(**given)


def _misfit(value: Any, into: Any, name: str) -> ValueError:
    wanted = getattr(into, "__name__", str(into))
    return ValueError(f"{name} is a {type(value).__name__}, which can't be read as {wanted}")
