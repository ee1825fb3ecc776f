"""A peer's association with a device of its own, and what is asked of both libraries and both ways of naming alike."""

from __future__ import annotations

from typing import Any

from dlms.interface import Interface
from dlms.server import Device
from tests.interop import device as d
from tests.interop.deviations import Deviations, PeerError
from tests.interop.peer import Peer, Place


class Session:
    """One peer and one device."""

    def __init__(self, served: Device, peer: Peer, client: int, scheme: str) -> None:
        self.served, self.peer, self.client, self.scheme = served, peer, client, scheme

    def deviations(self, scope: str) -> Deviations:
        """An empty list for this peer."""
        return Deviations(self.peer.name, scope)

    def held(self, of: Interface, index: int = 2) -> Any:
        """What the server holds."""
        return self.served.store.get(of.attribute_ref(index))

    def check_writes(self, found: Deviations) -> None:
        """What the peer writes is held, in the type that was held before."""
        expected = {row[0]: row for row in d.SCALARS}
        for name, value in d.WRITES:
            _, before, tag, _ = expected[name]
            with found.at(name):
                self.peer.set(place(d.scalar(name)), tag, value)
                held = self.held(d.scalar(name))
                assert type(held) is type(before)
                if held != value:
                    raise PeerError(f"wrote {held!r} for {value!r}")
        found.check()


def place(of: Interface, index: int = 2) -> Place:
    """Where a peer finds an attribute or method."""
    return of.class_id, of.instance, index
