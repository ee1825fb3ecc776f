"""Several meters behind one wrapper endpoint: the high octet of the server's wrapper port says which meter.

Meter 0 has the ports of its logical devices, such as 1 and 16; meter 1 has 257 and 272, and so on up to meter 255.  HDLC
needs nothing of this: it has physical addresses.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlms.framing import Peer, PeerLost, PeerReceived, ServerEvent
from dlms.framing.wrapper import WrapperServer

PORTS_PER_METER = 256
MAX_METERS = 256
NOBODY = -1
"""The physical address of a meter that does not exist: nothing is ever answered to it."""


class SharedWrapper(WrapperServer):
    """A wrapper framing whose peers carry the meter's physical address; `addresses` are those of the meters in turn."""

    def __init__(self, addresses: Sequence[int], inactivity_timeout_s: float) -> None:
        super().__init__(inactivity_timeout_s=inactivity_timeout_s)
        self._addresses = addresses
        self._meters: dict[int | None, int] = {address: meter for meter, address in enumerate(addresses)}

    def send(self, peer: Peer, apdu: bytes, now: float) -> None:
        """Queue one APDU."""
        port = server_port(self._meters[peer.physical], peer.server_sap)
        super().send(Peer(peer.client_sap, port), apdu, now)

    def next_event(self) -> ServerEvent | None:
        """The oldest event."""
        match super().next_event():
            case PeerReceived(peer, apdu):
                return PeerReceived(self._inside(peer), apdu)
            case PeerLost(peer, reason):
                return PeerLost(self._inside(peer), reason)
        return None

    def _inside(self, peer: Peer) -> Peer:
        meter, sap = divmod(peer.server_sap, PORTS_PER_METER)
        return Peer(peer.client_sap, sap, self._addresses[meter] if meter < len(self._addresses) else NOBODY)


def server_port(meter: int, sap: int) -> int:
    """The wrapper port of a logical device of the meter with that number."""
    return meter * PORTS_PER_METER + sap
