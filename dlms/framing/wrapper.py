"""The wrapper of TCP and UDP: eight octets in front of every APDU.  Green Book 7.3.

On TCP several wrapped APDUs may come in one read, or one in several; on UDP a datagram is exactly one.  A wrong version ends
a TCP connection and drops a datagram.  A header alone, whose length is 0, carries nothing: it is counted and left out.
"""

from __future__ import annotations

import struct
from collections import deque

from dlms.errors import LocalProtocolError
from dlms.framing import (
    Connected,
    Disconnected,
    FramingEvent,
    Peer,
    PeerLost,
    PeerReceived,
    Received,
    ServerEvent,
)
from dlms.limits import INACTIVITY_TIMEOUT_S, MAX_APDU, MAX_PARALLEL

HEADER = struct.Struct(">HHHH")
VERSION = 1
DEFAULT_PORT = 4059
MAX_PORT = 0xFFFF
MAX_PEERS = 0x10000
"""Pairs of ports that one connection may use before the oldest is forgotten."""
WINDOW = 16


class WrapperReader:
    """Takes bytes, gives (source, destination, APDU).  `fault` says why the stream cannot be followed any further."""

    def __init__(self, datagrams: bool) -> None:
        self.fault: str | None = None
        self.dropped = 0
        """Datagrams that were not exactly one wrapped APDU."""
        self.empty = 0
        """Headers with nothing behind them."""
        self._datagrams = datagrams
        self._buffer = bytearray()
        self._ready: deque[tuple[int, int, bytes]] = deque()

    def feed(self, data: bytes) -> None:
        """Add bytes from the medium; one datagram at a time where there are datagrams."""
        if self._datagrams:
            return self._datagram(data)
        if self.fault is None:
            self._buffer += data
            while self._next_from_stream():
                pass

    def next_apdu(self) -> tuple[int, int, bytes] | None:
        """The oldest complete APDU, None when none is complete."""
        return self._ready.popleft() if self._ready else None

    def _datagram(self, data: bytes) -> None:
        if len(data) >= HEADER.size:
            version, source, destination, size = HEADER.unpack_from(data)
            if version == VERSION and len(data) == HEADER.size + size:
                self._take(source, destination, data[HEADER.size :])
                return
        self.dropped += 1

    def _next_from_stream(self) -> bool:
        if len(self._buffer) < HEADER.size:
            return False
        version, source, destination, size = HEADER.unpack_from(self._buffer)
        if version != VERSION:
            self.fault = f"wrapper header {self._buffer[: HEADER.size].hex(' ')}: version 1 wanted"
            self._buffer.clear()
            return False
        end = HEADER.size + size
        if len(self._buffer) < end:
            return False
        self._take(source, destination, bytes(self._buffer[HEADER.size : end]))
        del self._buffer[:end]
        return True

    def _take(self, source: int, destination: int, apdu: bytes) -> None:
        if apdu:
            self._ready.append((source, destination, apdu))
        else:
            self.empty += 1


def wrap(source: int, destination: int, apdu: bytes) -> bytes:
    """One wrapped APDU."""
    return HEADER.pack(VERSION, source, destination, len(apdu)) + apdu


class WrapperClient:
    """The client's end of the wrapper: there is nothing to connect, and nothing that it repeats."""

    max_apdu = MAX_APDU
    window = WINDOW
    max_parallel = MAX_PARALLEL

    def __init__(self, client_sap: int, server_sap: int, *, datagrams: bool = False) -> None:
        if not (0 <= client_sap <= MAX_PORT and 0 <= server_sap <= MAX_PORT):
            raise LocalProtocolError(f"client {client_sap}, server {server_sap}: wrapper ports have 16 bits")
        self.client_sap, self.server_sap = client_sap, server_sap
        self.reliable = not datagrams
        self.reader = WrapperReader(datagrams)
        self.foreign = 0
        """APDUs for or from somebody else."""
        self._events: deque[FramingEvent] = deque()
        self._out: list[bytes] = []
        self._up = False

    def connect(self, now: float) -> None:
        """The medium is all there is to it."""
        self._up = True
        self._events.append(Connected())

    def send(self, apdu: bytes, now: float, *, reply: bool = True) -> None:
        """Queue one APDU."""
        self._out.append(wrap(self.client_sap, self.server_sap, apdu))

    def disconnect(self, now: float) -> None:
        """Done as soon as it is asked for."""
        self._down("closed", by_request=True)

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium."""
        self.reader.feed(data)
        while (found := self.reader.next_apdu()) is not None:
            source, destination, apdu = found
            if (source, destination) == (self.server_sap, self.client_sap):
                self._events.append(Received(apdu))
            else:
                self.foreign += 1
        if self.reader.fault is not None:
            self._down(self.reader.fault)

    def handle_timeout(self, now: float) -> None:
        """Nothing is ever due."""

    def next_event(self) -> FramingEvent | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """One item for each APDU."""
        out, self._out = self._out, []
        return out

    def next_timeout(self) -> float | None:
        """Never."""
        return None

    def give_exchange(self, timeout_s: float) -> None:
        """No repetitions share it."""

    @property
    def segments(self) -> int:
        """The wrapper knows no pieces."""
        return 0

    @property
    def idle(self) -> bool:
        """The wrapper knows no acknowledgements."""
        return not self._out

    def _down(self, reason: str, by_request: bool = False) -> None:
        if self._up:
            self._up = False
            self._events.append(Disconnected(reason, by_request))


class WrapperServer:
    """The server's end: every pair of wrapper ports is a peer.  A connection that is silent for too long is given up."""

    window = WINDOW
    in_turns = False

    def __init__(self, *, datagrams: bool = False, inactivity_timeout_s: float = INACTIVITY_TIMEOUT_S) -> None:
        self.reliable = not datagrams
        self.reader = WrapperReader(datagrams)
        self._inactivity_timeout_s = inactivity_timeout_s
        self._silent_at: float | None = None
        self._gone: str | None = None
        self._peers: dict[Peer, None] = {}
        self._events: deque[ServerEvent] = deque()
        self._out: list[bytes] = []

    def send(self, peer: Peer, apdu: bytes, now: float) -> None:
        """Queue one APDU."""
        self._out.append(wrap(peer.server_sap, peer.client_sap, apdu))

    def push(self, peer: Peer, apdu: bytes, now: float) -> None:
        """Like any other APDU."""
        self.send(peer, apdu, now)

    def push_capacity(self, peer: Peer) -> int:
        """As long as a wrapper's length can say."""
        return MAX_APDU

    def pass_turn(self, peer: Peer, now: float) -> None:
        """The wrapper knows no turns."""

    def frame_capacity(self, peer: Peer) -> int | None:
        """The wrapper knows no frames."""
        return None

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium."""
        self._silent_at = now + self._inactivity_timeout_s if self._inactivity_timeout_s else None
        self.reader.feed(data)
        while (found := self.reader.next_apdu()) is not None:
            client_sap, server_sap, apdu = found
            peer = Peer(client_sap, server_sap)
            self._peers[peer] = None
            if len(self._peers) > MAX_PEERS:
                oldest = next(iter(self._peers))
                del self._peers[oldest]
                self._events.append(PeerLost(oldest, f"more than {MAX_PEERS} peers on one connection"))
            self._events.append(PeerReceived(peer, apdu))

    @property
    def fault(self) -> str | None:
        """Why the connection must be closed, None while it need not."""
        return self.reader.fault or self._gone

    def handle_timeout(self, now: float) -> None:
        """Give up on a client that has been silent for too long."""
        if self._silent_at is not None and now >= self._silent_at:
            self._silent_at, self._gone = None, "inactivity"
            self._events.extend(PeerLost(peer, self._gone) for peer in self._peers)
            self._peers.clear()

    def next_event(self) -> ServerEvent | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """One item for each APDU."""
        out, self._out = self._out, []
        return out

    def next_timeout(self) -> float | None:
        """When the client has been silent for too long."""
        return self._silent_at
