"""Assets: data that tasks read and write, by name. What is written here is compared, and never opened."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/:")
_LONGEST_NAME = 250
_LONGEST_URI = 1500


class Asset:
    """Data by name, like a table or a folder: ``Asset("plant_north/readings", uri="s3://plant-north/readings")``.

    Attributes:
        name: Its name in the team, up to 250 letters, digits and ``_ . - / :``.
        uri: Where it is; the name, if nothing else is said.
        group: What several have in common, for people.
        extra: Facts about it, JSON of 16 KiB at most.
    """

    __slots__ = ("extra", "group", "name", "uri")

    def __init__(
        self,
        name: str | None = None,
        uri: str | None = None,
        *,
        group: str = "asset",
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Describe an asset; either of ``name`` and ``uri`` stands for the other.

        Raises:
            ValueError: if something can't be. The message says what to write.
        """
        self.name = _name(uri if name is None else name, "an asset")
        self.uri = _uri(self.name if uri is None else uri)
        self.group = _group(group)
        self.extra = dict(extra or {})

    def declared(self) -> dict[str, object]:
        """Return it as the manifest and the task protocol say it; values of its ``extra`` are as they were given."""
        return {"name": self.name, "uri": self.uri, "group": self.group, "extra": self.extra}

    def __repr__(self) -> str:
        uri = "" if self.uri == self.name else f", uri={self.uri!r}"
        return f"Asset({self.name!r}{uri})"

    def __and__(self, other: Asset | AssetAlias | AssetCondition) -> AssetCondition:
        return AssetCondition("all", (self, other))

    def __or__(self, other: Asset | AssetAlias | AssetCondition) -> AssetCondition:
        return AssetCondition("any", (self, other))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Asset) and (self.name, self.uri) == (other.name, other.uri)

    def __hash__(self) -> int:
        return hash((self.name, self.uri))


class AssetCondition:
    """Assets that a DAG is scheduled on: all of them (``a & b``), or any (``a | b``).

    Attributes:
        kind: ``all`` or ``any``.
        of: Its parts: assets, aliases, conditions.
    """

    __slots__ = ("kind", "of")

    def __init__(self, kind: str, of: tuple[Asset | AssetAlias | AssetCondition, ...]) -> None:
        self.kind = kind
        self.of = of

    def __and__(self, other: Asset | AssetAlias | AssetCondition) -> AssetCondition:
        return AssetCondition("all", (self, other))

    def __or__(self, other: Asset | AssetAlias | AssetCondition) -> AssetCondition:
        return AssetCondition("any", (self, other))

    def __repr__(self) -> str:
        return "(" + (" & " if self.kind == "all" else " | ").join(map(repr, self.of)) + ")"


class AssetAlias:
    """A name for assets that only the running task knows: as an outlet, it stands for what the task adds to it.

    Attributes:
        name: Its name in the team.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        """Name an alias.

        Raises:
            ValueError: if it can't be a name.
        """
        self.name = _name(name, "an alias")

    def __repr__(self) -> str:
        return f"AssetAlias({self.name!r})"

    def __and__(self, other: Asset | AssetAlias | AssetCondition) -> AssetCondition:
        return AssetCondition("all", (self, other))

    def __or__(self, other: Asset | AssetAlias | AssetCondition) -> AssetCondition:
        return AssetCondition("any", (self, other))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AssetAlias) and self.name == other.name

    def __hash__(self) -> int:
        return hash((AssetAlias, self.name))


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not _LETTERS.issuperset(value):
        raise ValueError(
            f"{str(value)[:80]!r} can't name {what}: use up to 250 of A-Z a-z 0-9 _ . - / :, and uri= for the rest"
        )
    if value[0] in ".-/:" or ".." in value.split("/"):
        raise ValueError(f"{value[:80]!r} can't name {what}: begin with a letter or digit, and leave '..' out")
    return value


def _group(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not (_LETTERS - {"/", ":"}).issuperset(value):
        raise ValueError(f"{str(value)[:80]!r} can't be a group: use up to 128 of A-Z a-z 0-9 _ . -")
    if value[0] in ".-":
        raise ValueError(f"{value!r} can't be a group: begin with a letter, a digit or _")
    return value


def _uri(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_URI:
        raise ValueError("a URI is text of 1 to 1500 characters")
    if any(not "!" <= letter <= "~" for letter in value):
        raise ValueError(f"{value[:80]!r} has a space, or what is not ASCII, in it: percent-encode that, as %20")
    scheme, separator, rest = value.partition("://")
    if separator and (not scheme or not rest):
        raise ValueError(f"{value[:80]!r} is no URI: write scheme://place")
    authority = rest.partition("/")[0]
    if ":" in authority.rpartition("@")[0]:
        raise ValueError("a URI must not have a password in it, everybody may see it: take it out")
    return value
