"""The line between client and server, through which every octet goes: it shows each APDU before it passes.

One thread; `step` lets pass what has come.  Who watches may keep an APDU back, and put recorded ones in (not over HDLC,
whose frames are numbered; there only whole frames are looked at).
"""

from __future__ import annotations

import contextlib
import dataclasses
import selectors
import socket
from collections import deque
from typing import Any, Protocol

from dlms.framing.wrapper import HEADER
from hdlc.frame import Kind
from hdlc.reader import FrameReader

UP, DOWN = 0, 1
"""From the client to the server, and back."""
_LLC = 3
DOUBLED = 5
"""Every so many datagrams of a client one comes twice."""


class Watcher(Protocol):
    """Who is shown what passes."""

    def passing(self, pair: Pair, way: int, piece: bytes, apdu: bytes) -> bool:
        """Whether this may pass; `piece` is the APDU with what wraps it."""

    def passed(self, pair: Pair, way: int, apdu: bytes) -> None:
        """It has passed."""

    def judged(self, pair: Pair, apdu: bytes) -> None:
        """The server's answer to what was put in."""


@dataclasses.dataclass(eq=False)
class Pair:
    """One connection of a client, and ours to the server for it."""

    number: int
    ends: tuple[Any, Any]
    client: Any = None
    """The address of the client, where there are datagrams."""
    swallow: int = 0
    """Answers of the server that are ours."""
    buffers: tuple[bytearray, bytearray] = dataclasses.field(default_factory=lambda: (bytearray(), bytearray()))
    readers: tuple[FrameReader, FrameReader] = dataclasses.field(default_factory=lambda: (FrameReader(), FrameReader()))
    frames: set[bytes] = dataclasses.field(default_factory=set)
    segments: tuple[bytearray, bytearray] = dataclasses.field(default_factory=lambda: (bytearray(), bytearray()))
    memory: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What the watcher keeps about it."""


class Line:
    """Carries what client and server say to each other.  `server_port` is None while there is no server."""

    def __init__(self, transport: str, watcher: Watcher) -> None:
        self.transport, self.watcher = transport, watcher
        self.server_port: int | None = None
        self.selector = selectors.DefaultSelector()
        self.repeated_frames = 0
        """HDLC frames that came again, octet for octet."""
        self.pairs: list[Pair] = []
        self._numbers = self._datagrams = 0
        self._addresses: dict[Any, Pair] = {}
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._listening = socket.socket(socket.AF_INET, kind)
        self._listening.bind(("127.0.0.1", 0))
        if transport != "udp":
            self._listening.listen(16)
        self.port: int = self._listening.getsockname()[1]
        self.selector.register(
            self._listening, selectors.EVENT_READ, self._datagram if transport == "udp" else self._accept
        )

    def close(self) -> None:
        for pair in list(self.pairs):
            self.drop(pair)
        self.selector.close()
        self._listening.close()

    def step(self, timeout_s: float) -> None:
        """Let pass what comes within this time, at most once round."""
        for key, _ in self.selector.select(timeout_s):
            if key.fd in self.selector.get_map():  # else the one before has hung it up
                key.data()

    def drop(self, pair: Pair) -> None:
        """Hang up on both."""
        if pair not in self.pairs:
            return
        self.pairs.remove(pair)
        self._addresses.pop(pair.client, None)
        for end in pair.ends:
            if end is not self._listening:
                with contextlib.suppress(KeyError):
                    self.selector.unregister(end)
                end.close()

    def dial(self) -> socket.socket | None:
        """A connection of our own to the server, None while there is none."""
        if self.server_port is None:
            return None
        try:
            return socket.create_connection(("127.0.0.1", self.server_port), 5)
        except OSError:
            return None

    def put_in(self, pair: Pair, piece: bytes, way: int) -> None:
        """Send a recorded piece; what the server answers is shown to `judged`, not passed on."""
        pair.swallow += way == UP
        self._send(pair, way, piece)

    # connections

    def _accept(self) -> None:
        near, _ = self._listening.accept()
        far = self.dial()
        if far is None:
            return near.close()
        pair = self._paired((near, far))
        for way, end in enumerate(pair.ends):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(end, selectors.EVENT_READ, lambda way=way: self._arrived(pair, way))

    def _paired(self, ends: tuple[Any, Any], client: Any = None) -> Pair:
        self._numbers += 1
        pair = Pair(self._numbers, ends, client)
        self.pairs.append(pair)
        return pair

    def _datagram(self) -> None:
        data, address = self._listening.recvfrom(65536)
        pair = self._addresses.get(address)
        if pair is None:
            far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            far.bind(("127.0.0.1", 0))
            pair = self._addresses[address] = self._paired((self._listening, far), address)
            self.selector.register(far, selectors.EVENT_READ, lambda: self._arrived(pair, DOWN))
            while len(self._addresses) > 4:
                self.drop(next(iter(self._addresses.values())))
        self._piece(pair, UP, data, data[HEADER.size :])

    def _arrived(self, pair: Pair, way: int) -> None:
        try:
            data = pair.ends[way].recv(65536)
        except OSError:
            data = b""
        if not data:
            return self.drop(pair)
        if self.transport == "udp":
            return self._piece(pair, way, data, data[HEADER.size :])
        if self.transport == "hdlc":
            return self._frames(pair, way, data)
        buffer = pair.buffers[way]
        buffer += data
        while len(buffer) >= HEADER.size and len(buffer) >= (end := HEADER.size + HEADER.unpack_from(buffer)[3]):
            piece = bytes(buffer[:end])
            del buffer[:end]
            self._piece(pair, way, piece, piece[HEADER.size :])

    def _piece(self, pair: Pair, way: int, piece: bytes, apdu: bytes) -> None:
        if way == DOWN and pair.swallow:
            pair.swallow -= 1
            return self.watcher.judged(pair, apdu)
        if self.watcher.passing(pair, way, piece, apdu):
            self._send(pair, way, piece)
            if self.transport == "udp" and way == UP:
                self._datagrams += 1
                if self._datagrams % DOUBLED == 0:
                    self._send(pair, way, piece)
            self.watcher.passed(pair, way, apdu)

    def _frames(self, pair: Pair, way: int, data: bytes) -> None:
        """HDLC: frames pass as they come; an APDU is shown with its last frame, and kept back with that."""
        reader = pair.readers[way]
        reader.feed(data)
        apdus: deque[bytes] = deque()
        while (frame := reader.next_frame()) is not None:
            octets = frame.encode()
            if frame.kind is not Kind.I:
                continue
            if (octets, way) in pair.frames:
                self.repeated_frames += 1
                continue
            pair.frames.add((octets, way))
            pair.segments[way].extend(frame.info)
            if not frame.segmented:
                apdus.append(bytes(pair.segments[way][_LLC:]))
                pair.segments[way].clear()
        shown = [self.watcher.passing(pair, way, data, apdu) for apdu in apdus]
        if all(shown):
            self._send(pair, way, data)
            for apdu in apdus:
                self.watcher.passed(pair, way, apdu)

    def _send(self, pair: Pair, way: int, data: bytes) -> None:
        end = pair.ends[1 - way]
        try:
            if self.transport != "udp":
                end.sendall(data)
            elif way == UP and self.server_port is not None:
                end.sendto(data, ("127.0.0.1", self.server_port))
            elif way == DOWN:
                end.sendto(data, pair.client)
        except OSError:
            self.drop(pair)
