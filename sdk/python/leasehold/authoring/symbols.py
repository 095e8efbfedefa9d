"""Values that exist only when the DAG runs: a parameter of the run and, in ``graph``, a task's result.

In the body of a ``@dag`` function they can be passed on, in lists and dictionaries too. Whatever would need the value
itself (``if rows:``, ``len(rows)``, ``f"{rows}"``) is an error that names the author's line and the way out.
"""

from __future__ import annotations

from leasehold.authoring.mistakes import AuthoringError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    # To a type checker a result fits wherever a value fits: where it is used, the value will be there.
    class _FitsAnywhere(Any):  # type: ignore[misc]  # mypy's rule against Any as a base is for bases gone missing
        pass
else:
    _FitsAnywhere = object


class Symbol(_FitsAnywhere):
    """A value that isn't there yet."""

    _what = "a value"
    _cure = "pass it to a task and work on it there"

    def refuse(self, operation: str) -> NoReturn:
        """Raise the error that ``operation`` needs the value itself."""
        raise AuthoringError(
            f"{operation} needs {self._what}, which exists only when the DAG runs",
            f"{self._cure[0].upper()}{self._cure[1:]}.",
        )

    def __bool__(self) -> bool:
        self.refuse("a condition (if, while, and, or, not)")

    def __len__(self) -> int:
        self.refuse("len(…)")

    def __iter__(self) -> NoReturn:
        self.refuse("a loop, or unpacking,")

    def __getitem__(self, key: object) -> NoReturn:
        self.refuse(f"[{key!r}]")

    def __contains__(self, item: object) -> bool:
        self.refuse("in")

    def __call__(self, *_args: object, **_kwargs: object) -> NoReturn:
        self.refuse("a call")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self.refuse(f".{name}")

    def __str__(self) -> str:
        self.refuse("text (str(…), an f-string, print)")

    def __format__(self, spec: str) -> str:
        return str(self)

    def __eq__(self, other: object) -> bool:
        self.refuse("a comparison")

    __hash__ = object.__hash__


def _operator(sign: str) -> Any:
    def method(self: Symbol, *_others: object) -> NoReturn:
        self.refuse(sign)

    return method


for _names, _sign in (
    ("lt le gt ge ne", "a comparison"),
    ("add sub mul truediv floordiv mod pow neg pos abs matmul radd rsub rmul rtruediv rmod", "arithmetic"),
    ("and or xor invert rand ror rxor", "an operator"),
    ("int float complex index bytes round fspath await aiter next enter exit", "a conversion"),
):
    for _name in _names.split():
        setattr(Symbol, f"__{_name}__", _operator(_sign))


class Param(Symbol):
    """A parameter of the run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._what = f"the parameter {name!r}"
        self._cure = "pass it to a task, or write {{ params." + name + " }} in a text"

    def __format__(self, spec: str) -> str:
        # Texts are rendered where the task runs, so that a parameter in an f-string can stay a name until then.
        return self.refuse(f"the format {spec!r}") if spec else "{{ params." + self.name + " }}"

    def __str__(self) -> str:
        return format(self)

    def __repr__(self) -> str:
        return f"<parameter {self.name}>"
