"""What the events of the task's outlets say: ``outlet_events["plant_north/readings"].extra = {"rows": 128}``.

Each outlet has its event when the task succeeds, whether anything is said of it or not. An alias has one for each
asset that is added to it.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from leasehold.asset import Asset, AssetAlias
from leasehold.runtime.host import current_host
from leasehold.runtime.values import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class _Extra(MutableMapping[str, object]):
    """The extra of one event; every change is told at once."""

    def __init__(self, event: OutletEvent) -> None:
        self._event = event
        self._values: dict[str, object] = {}

    def replace(self, values: Mapping[str, object]) -> None:
        """Say this, and nothing else."""
        self._event.tell(dict(values))
        self._values = dict(values)

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        self.replace({**self._values, key: value})

    def __delitem__(self, key: str) -> None:
        self._values[key]  # KeyError when it is not there
        self.replace({name: value for name, value in self._values.items() if name != key})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class OutletEvent:
    """The event of one outlet, if the task succeeds."""

    def __init__(self, subject: dict[str, object]) -> None:
        self._subject = subject
        self._extra = _Extra(self)

    @property
    def extra(self) -> MutableMapping[str, object]:
        """What the event says: JSON of 16 KiB at most. Set it whole, or by key."""
        return self._extra

    @extra.setter
    def extra(self, values: Mapping[str, object]) -> None:
        self._extra.replace(values)

    def add(self, asset: Asset | str, extra: Mapping[str, object] | None = None) -> None:
        """Say that the alias stands for ``asset``, which has an event if the task succeeds.

        Raises:
            TypeError: if this is no alias: ``outlet_events[AssetAlias("…")]``.
        """
        if "alias" not in self._subject:
            raise TypeError("only an alias stands for other assets: outlet_events[AssetAlias(…)].add(Asset(…))")
        added = asset if isinstance(asset, Asset) else Asset(asset)
        declared = {**added.declared(), "extra": encode(added.extra, f"the extra of {added.name!r}")}
        _tell({**self._subject, "asset": declared}, dict(extra or {}))

    def tell(self, extra: Mapping[str, object]) -> None:
        """Tell the host what the event says.

        Raises:
            UndeclaredError: if it is no outlet of the task; the message lists those.
            RefusedError: if it is too much.
        """
        if "alias" in self._subject:
            raise TypeError("an alias has no event of its own: outlet_events[AssetAlias(…)].add(Asset(…), extra={…})")
        _tell(self._subject, extra)


class OutletEvents:
    """The events of the task's outlets, by name, ``Asset`` or ``AssetAlias``."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], OutletEvent] = {}

    def __getitem__(self, outlet: Asset | AssetAlias | str) -> OutletEvent:
        kind = "alias" if isinstance(outlet, AssetAlias) else "name"
        name = outlet if isinstance(outlet, str) else outlet.name
        return self._known.setdefault((kind, name), OutletEvent({kind: name}))


outlet_events = OutletEvents()
"""The events of this task's outlets. In a script run by hand what is said of them goes nowhere."""


def _tell(subject: Mapping[str, object], extra: Mapping[str, object]) -> None:
    encoded = {name: encode(value, f"extra[{name!r}]") for name, value in extra.items()}
    if host := current_host():
        host.write("POST", "/v1/outlet-events", {**subject, "extra": encoded})
