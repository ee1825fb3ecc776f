"""Framing: bytes of a medium <-> APDUs.  Sans-IO: time is an argument, in seconds of any clock that does not go back.

Every framing keeps one contract: after any call drain `next_event`, then `data_to_send`, then read `next_timeout`
again; early or spurious `handle_timeout` calls have no effect; nothing that is received raises.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Connected:
    """The layer is up: APDUs may be sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """One APDU arrived."""

    apdu: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Disconnected:
    """The layer is down.  `reason` is one clause for people; `by_request` tells that this end asked for it."""

    reason: str
    by_request: bool = False


FramingEvent = Connected | Received | Disconnected


class Framing(Protocol):
    """The client's end: one peer."""

    max_apdu: int
    """Octets of the largest APDU that this layer carries."""
    window: int
    """APDUs that this layer carries in a row before the other end speaks."""
    max_parallel: int
    """Requests that may wait for their answers at once; 1 where the ends speak in turns."""
    reliable: bool
    """Whether APDUs arrive once, in order, or the layer goes down.  Where they may be lost, reads are asked again."""

    def connect(self, now: float) -> None: ...
    def send(self, apdu: bytes, now: float, *, reply: bool = True) -> None:
        """Queue one APDU; `reply` tells whether one is due.  Raises LinkError when the layer cannot take it."""

    def disconnect(self, now: float) -> None: ...
    def receive_data(self, data: bytes, now: float) -> None: ...
    def handle_timeout(self, now: float) -> None: ...
    def next_event(self) -> FramingEvent | None: ...
    def data_to_send(self) -> list[bytes]: ...
    def next_timeout(self) -> float | None: ...
    def give_exchange(self, timeout_s: float) -> None:
        """Budget of the exchanges to come; link repetitions share it."""

    @property
    def segments(self) -> int:
        """Pieces of APDUs received so far: while they come, an exchange goes on."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent or to be acknowledged."""


class Peer(NamedTuple):
    """Who talks to whom: service access points, and the physical device where several share one line."""

    client_sap: int
    server_sap: int
    physical: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class PeerReceived:
    """One APDU arrived from a client."""

    peer: Peer
    apdu: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class PeerLost:
    """A client's link is gone, and with it whatever association it had."""

    peer: Peer
    reason: str


ServerEvent = PeerReceived | PeerLost


class ServerFraming(Protocol):
    """The server's end: many peers on one medium.  Contract as `Framing`."""

    window: int
    reliable: bool
    in_turns: bool
    """Whether a client must ask before it hears anything: then it cannot acknowledge what is pushed."""

    @property
    def fault(self) -> str | None:
        """Why the medium must be closed, None while it need not."""

    def send(self, peer: Peer, apdu: bytes, now: float) -> None: ...
    def push(self, peer: Peer, apdu: bytes, now: float) -> None:
        """Send one APDU that nobody asked for and nobody acknowledges.  Raises LinkError when the layer cannot take it."""

    def push_capacity(self, peer: Peer) -> int:
        """Octets of the largest APDU that `push` takes."""

    def pass_turn(self, peer: Peer, now: float) -> None:
        """Nothing is answered to what this peer sent last."""

    def frame_capacity(self, peer: Peer) -> int | None:
        """Octets of APDU that fit in one frame of the link, None where frames have no bound of their own."""

    def receive_data(self, data: bytes, now: float) -> None: ...
    def handle_timeout(self, now: float) -> None: ...
    def next_event(self) -> ServerEvent | None: ...
    def data_to_send(self) -> list[bytes]: ...
    def next_timeout(self) -> float | None: ...
