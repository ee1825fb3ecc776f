"""What two ends said to each other in a capture file: TCP put in order, messages of both in the order they were complete."""

from __future__ import annotations

import dataclasses
import datetime
import heapq
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from dlms.decode.network import ACK, SYN, Segment, TcpHeader, segment
from dlms.decode.pcap import Packet, Packets
from dlms.decode.tree import counted
from dlms.framing.wrapper import HEADER, VERSION
from dlms.limits import MAX_TRANSFER

MAX_CONVERSATIONS = 1_000
"""Conversations of one file that are kept."""
MAX_CAPTURED = 4 * MAX_TRANSFER
"""Octets of all conversations of one file together."""
MAX_WAITING = 1 << 20
"""Octets of one TCP stream that wait for earlier ones."""
MAX_SEGMENTS = 200
"""Segments of one TCP stream that wait for earlier ones."""
MAX_PROBLEMS = 20
"""Problems of one conversation that are told."""

_DLMS = re.compile(rb"\x7e[\xa0-\xaf]|\x00\x01....[\x00-\xff]{2}", re.DOTALL)
"""How HDLC frames and wrapped APDUs begin."""

End = tuple[str, int]


class Chunk(NamedTuple):
    """One message in the octets of a conversation: where it stands, the packet that completed it, and its sender."""

    offset: int
    length: int
    packet: int
    time_s: float | None
    sender: str


@dataclasses.dataclass(slots=True)
class Conversation:
    """What two ends said, who spoke first in front.

    `octets` are the messages of both, HDLC frames or wrapped APDUs as they became complete, `chunks` say which is whose.
    `problems` tell what is not there.
    """

    transport: str
    ends: tuple[str, str]
    octets: bytearray = dataclasses.field(default_factory=bytearray)
    chunks: list[Chunk] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)

    @property
    def dlms(self) -> bool:
        """Whether a message begins like an HDLC frame or a wrapped APDU."""
        return any(_DLMS.match(self.octets, one.offset) for one in self.chunks)

    def add(self, octets: bytes, packet: Packet, sender: str) -> None:
        """One message is complete."""
        if len(self.octets) + len(octets) > MAX_TRANSFER:
            self.problem(f"more than {MAX_TRANSFER} octets: the rest is left out")
            return
        self.chunks.append(Chunk(len(self.octets), len(octets), packet.number, packet.time_s, sender))
        self.octets += octets

    def problem(self, told: str) -> None:
        """Tell what is not there, once and not without end."""
        if told not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(told)

    @property
    def title(self) -> str:
        """`tcp 10.0.0.2:50000 - 10.0.0.7:4059, packets 4 to 19`."""
        packets = f", packets {self.chunks[0].packet} to {self.chunks[-1].packet}" if self.chunks else ""
        return f"{self.transport} {' - '.join(self.ends)}{packets}"

    def to_json(self) -> dict[str, Any]:
        """JSON types; times in ISO 8601, UTC."""
        names = ("offset", "length", "packet", "time", "sender")
        shown: dict[str, Any] = {"transport": self.transport, "ends": list(self.ends)}
        shown["messages"] = [
            dict(zip(names, one._replace(time_s=moment(one.time_s)), strict=True))  # type: ignore[arg-type]
            for one in self.chunks
        ]
        return shown | ({"problems": self.problems} if self.problems else {})


def moment(time_s: float | None) -> str | None:
    """Seconds since 1970 in ISO 8601, UTC; None where they are none."""
    try:
        return None if time_s is None else datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


@dataclasses.dataclass(slots=True)
class Capture:
    """A capture file: its conversations of DLMS, in the order in which they began, and what else is to be said of it."""

    conversations: list[Conversation]
    packets: int
    others: int
    """Conversations of something else."""
    problem: str | None


def read_capture(file: BinaryIO) -> Capture:
    """The conversations of DLMS in a capture file, over TCP or UDP.  Raises DecodeError for what is none."""
    packets, talks = Packets(file), _Talks()
    for packet in packets:
        found = segment(packet)
        if found is not None:
            talks.add(packet, found)
        if talks.full:
            break
    told = talks.finish()
    spoken = [one for one in told if one.chunks]
    dlms = [one for one in spoken if one.dlms]
    return Capture(dlms, packets.count, len(spoken) - len(dlms), packets.problem or talks.problem)


class _Talks:
    """All conversations of one file, by their ends."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.full = False
        self._told: list[Conversation] = []
        self._open: dict[tuple[bool, End, End], dict[End, _Way]] = {}
        self._octets = 0

    def add(self, packet: Packet, found: Segment) -> None:
        """Take account of one packet."""
        first, second = sorted((found.source, found.destination))
        key = found.tcp is not None, first, second
        ways = self._open.get(key)
        opens = found.tcp is not None and found.tcp.flags & (SYN | ACK) == SYN
        if opens and ways is not None and any(way.spoken for way in ways.values()):
            self._close(self._open.pop(key))
            ways = None
        if ways is None:
            ways = self._begin(key, found)
        self._octets += len(found.octets)
        self.full = self._octets > MAX_CAPTURED
        if ways is None or self.full:
            self.problem = self.problem or f"too much is captured: left out from packet {packet.number} on"
            return
        way = ways[found.source]
        if found.tcp is None:
            way.datagram(found.octets, found.missing, packet)
        else:
            way.segment(found.tcp, found.octets, found.missing, packet)

    def _begin(self, key: tuple[bool, End, End], found: Segment) -> dict[End, _Way] | None:
        if len(self._told) >= MAX_CONVERSATIONS:
            return None
        names = _named(found.source), _named(found.destination)
        told = Conversation("udp" if found.tcp is None else "tcp", names)
        self._told.append(told)
        self._open[key] = {found.source: _Way(told, names[0]), found.destination: _Way(told, names[1])}
        return self._open[key]

    def _close(self, ways: dict[End, _Way]) -> None:
        for way in ways.values():
            way.finish()

    def finish(self) -> list[Conversation]:
        """What waits for octets that never came, too."""
        for ways in self._open.values():
            self._close(ways)
        return self._told


def _named(end: End) -> str:
    address, port = end
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class _Way:
    """One direction of a conversation: octets in the order of their sequence numbers, cut into messages.

    Places count the octets of the direction; sequence numbers are those modulo 2**32, from any number on.
    """

    def __init__(self, told: Conversation, sender: str) -> None:
        self.told, self.sender, self.spoken = told, sender, False
        self._start: int | None = None
        self._due = 0
        self._waiting: dict[int, tuple[bytes, int, Packet]] = {}
        self._places: list[int] = []
        self._octets = 0
        self._partial = bytearray()
        self._last: Packet | None = None

    def datagram(self, octets: bytes, missing: int, packet: Packet) -> None:
        """One datagram is one message."""
        if missing:
            self.told.problem(f"packet {packet.number} was not kept whole")
        if octets:
            self.told.add(octets, packet, self.sender)

    def segment(self, header: TcpHeader, octets: bytes, missing: int, packet: Packet) -> None:
        """A piece of the stream, in order or not, perhaps one that came before."""
        sequence = header.sequence + (1 if header.flags & SYN else 0)
        if self._start is None or (header.flags & SYN and not self.spoken):
            self._start = sequence
        if not octets and not missing:
            return
        self.spoken = True
        place = self._due + (sequence - self._start - self._due + 2**31) % 2**32 - 2**31
        self._wait(place, octets, missing, packet)
        self._in_order()
        while len(self._waiting) > MAX_SEGMENTS or self._octets > MAX_WAITING:
            self._skip()

    def finish(self) -> None:
        """No more comes: what waits is told of with the gaps between."""
        while self._waiting:
            self._skip()
        self._broken()

    def _wait(self, place: int, octets: bytes, missing: int, packet: Packet) -> None:
        kept = self._waiting.get(place)
        if kept is None:
            heapq.heappush(self._places, place)
        elif len(octets) <= len(kept[0]):
            return
        self._octets += len(octets) - (0 if kept is None else len(kept[0]))
        self._waiting[place] = octets, missing, packet

    def _in_order(self) -> None:
        """Take what is due, until something is missing."""
        while self._places and self._places[0] <= self._due:
            place = heapq.heappop(self._places)
            octets, missing, packet = self._waiting.pop(place)
            self._octets -= len(octets)
            known = self._due - place
            if known >= len(octets) + missing:
                continue
            self._due = place + len(octets) + missing
            if fresh := octets[known:]:
                self._take(fresh, packet)
            if missing:
                self.told.problem(f"packet {packet.number} was not kept whole: {counted(missing, 'octet')} less")
                self._broken()

    def _skip(self) -> None:
        """Give up the octets in front of what waits."""
        first = self._places[0]
        told = f"{counted(first - self._due, 'octet')} of {self.sender} are missing before packet"
        self.told.problem(f"{told} {self._waiting[first][2].number}")
        self._broken()
        self._due = first
        self._in_order()

    def _take(self, octets: bytes, packet: Packet) -> None:
        self._partial += octets
        self._last = packet
        for message in _whole(self._partial):
            self.told.add(message, packet, self.sender)

    def _broken(self) -> None:
        """What is not a whole message will not become one."""
        if self._partial and self._last is not None:
            self.told.add(bytes(self._partial), self._last, self.sender)
        self._partial.clear()


def _whole(partial: bytearray) -> Iterator[bytes]:
    """Take the messages that are complete out of what has come; octets that begin none are taken as they are."""
    while partial:
        size = _size(partial)
        if size is None or size > len(partial):
            return
        message = bytes(partial[:size])
        del partial[:size]
        yield message


def _size(partial: bytearray) -> int | None:
    """The octets of the first message; None where that is not known yet."""
    if partial[0] == 0x7E:
        start = re.match(rb"\x7e+", partial)
        at = start.end() if start is not None else 1
        if at + 2 > len(partial):
            return None
        if partial[at] & 0xF0 == 0xA0:  # flag, format and length, flag
            return at + (int.from_bytes(partial[at : at + 2], "big") & 0x7FF) + 1
    elif partial[:2] == VERSION.to_bytes(2, "big") or len(partial) < 2:
        return None if len(partial) < HEADER.size else HEADER.size + HEADER.unpack_from(partial)[3]
    begins = re.search(rb"(?s).\x7e[\xa0-\xaf]", partial)
    return len(partial) if begins is None else begins.start() + 1
