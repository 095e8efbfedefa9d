"""Values between tasks: JSON first, a small tagged form for what JSON lacks, never pickle.

``{"$type": "date", "value": "2026-11-22"}`` stands for a date. The other tags are ``datetime``, ``time``, ``timedelta``
(seconds as text), ``decimal``, ``uuid``, ``path``, ``bytes`` (base64), ``tuple``, ``set`` and ``frozenset`` (lists) and
``file`` (see ``files``). A dictionary of the user's own that has a key ``$type`` travels wrapped, as
``{"$type": "dict", "value": {…}}``. Dataclasses travel as dictionaries and enums as their values, and stay so on the
other side, for the reader may not have the class: ``xcom.pull(…, into=Row)`` makes them anew.
"""

from __future__ import annotations

from _collections_abc import Callable, Iterable, Mapping

from leasehold.runtime import scalars

TAG = "$type"
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class ValueNotSupportedError(TypeError):
    """A value can't travel between tasks.

    Attributes:
        path: Where it sits, like ``result["rows"][3]["x"]``.
        why: What is wrong with it, and the cure.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


def encode(value: object, name: str = "result") -> object:
    """Return ``value`` as JSON data with tags. ``name`` is what messages call the whole value.

    Raises:
        ValueNotSupportedError: if something in it can't travel.
    """
    return _encode_as(name, value, _tagged)


def plain(value: object, name: str = "value") -> object:
    """Return ``value`` as JSON data without tags: dates and paths become their usual text, sets become lists.

    Raises:
        ValueNotSupportedError: if something in it has no such form.
    """
    return _encode_as(name, value, _untagged)


def decode(value: object) -> object:
    """Return the Python value that JSON data with tags stands for. An unknown tag is left as it is.

    Raises:
        ValueError: if what a tag holds does not fit the tag.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {TAG, "value"} and isinstance(value[TAG], str):
        return _decode_tagged(value[TAG], value["value"])
    return {key: decode(item) for key, item in value.items()}


def _decode_tagged(tag: str, inner: object) -> object:
    try:
        match tag, inner:
            case "file", dict():
                from leasehold.runtime.files import File

                return File.received(inner)
            case "dict", dict():
                return {key: decode(item) for key, item in inner.items()}
            case "tuple" | "set" | "frozenset", list():
                make: Callable[[Iterable[object]], object] = {"tuple": tuple, "set": set, "frozenset": frozenset}[tag]
                return make([decode(item) for item in inner])
            case _, str() if tag in scalars.FROM_TEXT:
                return scalars.FROM_TEXT[tag](inner)
            case _:
                return {TAG: tag, "value": decode(inner)}
    except (TypeError, ValueError, ArithmeticError) as problem:
        raise ValueError(f"a value is marked as {tag}, but holds {str(inner)[:80]!r}: {problem}") from problem


_Wrap = Callable[[str, object], object]


def _tagged(tag: str, inner: object) -> object:
    return {TAG: tag, "value": inner}


def _untagged(_tag: str, inner: object) -> object:
    return inner


def _encode_as(name: str, value: object, wrap: _Wrap) -> object:
    try:
        return _encode(value, wrap, set())
    except ValueNotSupportedError as problem:
        raise ValueNotSupportedError(name + problem.path, problem.why) from None
    except RecursionError:
        raise ValueNotSupportedError(name, "is nested too deeply: flatten it, or write it to a file") from None


def _encode(value: object, wrap: _Wrap, inside: set[int]) -> object:
    """Encode one value. ``inside`` holds the ids of the containers around it, so that a cycle is seen."""
    if value is None or isinstance(value, bool):
        return value
    if hasattr(type(value), "__members__"):  # an enum's member; IntEnum's and StrEnum's are numbers and texts as well
        return _encode(value.value, wrap, inside)  # type: ignore[attr-defined]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _number(value)
    try:
        scalar = scalars.to_text(value)
    except ValueError as problem:
        raise ValueNotSupportedError("", str(problem)) from None
    if scalar:
        return wrap(*scalar)
    if id(value) in inside:
        raise ValueNotSupportedError("", "contains itself: a value that travels must be a tree")
    inside.add(id(value))
    encoded = _container(value, wrap, inside)
    inside.discard(id(value))
    return encoded


def _container(value: object, wrap: _Wrap, inside: set[int]) -> object:
    match value:
        case list():
            return _items(value, wrap, inside)
        case tuple():
            return wrap("tuple", _items(value, wrap, inside))
        case set() | frozenset():
            kind = "set" if isinstance(value, set) else "frozenset"
            return wrap(kind, sorted(_items(value, wrap, inside), key=repr))
        case Mapping():
            return _mapping(value, wrap, inside)
        case _ if fields := getattr(type(value), "__dataclass_fields__", None):
            return _attributes({field: getattr(value, field) for field in fields}, wrap, inside)
        case _:
            return _foreign(value, wrap, inside)


def _foreign(value: object, wrap: _Wrap, inside: set[int]) -> object:
    """Encode a file, what a mapped task left, or a number of a library; nothing is imported for that."""
    kind, library = type(value), type(value).__module__.partition(".")[0]
    if kind.__module__ == "leasehold.runtime.files":
        try:
            return wrap("file", value.pushed())  # type: ignore[attr-defined]  # it is a File
        except ValueError as problem:
            raise ValueNotSupportedError("", f"can't be pushed: {problem}") from None
    if kind.__module__ == "leasehold.runtime.pulled":
        return _items(value, wrap, inside)  # type: ignore[arg-type]  # what instances of a mapped task left
    if library == "numpy" and getattr(value, "shape", None) == ():
        return _encode(value.item(), wrap, inside)  # type: ignore[attr-defined]  # one number of numpy's
    cure = _CURES.get(library, "turn it into numbers, text, lists and dictionaries, or write it to a file")
    raise ValueNotSupportedError(
        "", f"is a {kind.__module__}.{kind.__qualname__}, which can't travel between tasks: {cure}"
    )


_CURES = {
    "numpy": "send a small one with .tolist(); write a large one with numpy.save and push that file, File(…)",
    "pandas": "write it with .to_parquet(path) and push that file, File(path); small ones with .to_dict('records')",
    "polars": "write it with .write_parquet(path) and push that file, File(path); small ones with .to_dicts()",
    "pyarrow": "write it with pyarrow.parquet.write_table and push that file, File(path)",
}


def _items(values: Iterable[object], wrap: _Wrap, inside: set[int]) -> list[object]:
    encoded: list[object] = []
    for value in values:
        try:
            encoded.append(_encode(value, wrap, inside))
        except ValueNotSupportedError as problem:
            raise ValueNotSupportedError(f"[{len(encoded)}]{problem.path}", problem.why) from None
    return encoded


def _mapping(value: Mapping[object, object], wrap: _Wrap, inside: set[int]) -> object:
    encoded: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            why = f"has the key {key!r}, which is a {type(key).__name__}: JSON has text keys only, use str(key)"
            raise ValueNotSupportedError("", why)
        try:
            encoded[_text(key)] = _encode(item, wrap, inside)
        except ValueNotSupportedError as problem:
            raise ValueNotSupportedError(f"[{_quoted(key)}]{problem.path}", problem.why) from None
    return wrap("dict", encoded) if TAG in encoded else encoded


def _attributes(values: Mapping[str, object], wrap: _Wrap, inside: set[int]) -> object:
    encoded: dict[str, object] = {}
    for name, value in values.items():
        try:
            encoded[name] = _encode(value, wrap, inside)
        except ValueNotSupportedError as problem:
            raise ValueNotSupportedError(f".{name}{problem.path}", problem.why) from None
    return encoded


def _text(value: str) -> str:
    text = str.__str__(value)  # the text itself, also of a StrEnum
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            why = "has half a character (a lone surrogate) in it: decode the text with errors='replace'"
            raise ValueNotSupportedError("", why) from None
    return text


def _integer(value: int) -> int:
    if not _SMALLEST <= value <= _LARGEST:
        raise ValueNotSupportedError("", "is a whole number of more than 64 bits: send it as text, str(…)")
    return int(value)


def _number(value: float) -> float:
    if value - value != 0.0:  # true of NaN and both infinities, and needs no import
        raise ValueNotSupportedError("", f"is {value!r}, which JSON doesn't have: use None, or leave it out")
    return float(value)


def _quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
