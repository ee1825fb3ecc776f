"""Capture files, classic pcap and pcapng, block by block: the packets in them, with number, time and link type."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from dlms.errors import DecodeError

MAX_BLOCK = 1 << 20
"""Octets of one packet or block: snapshot lengths end at 256 KiB."""
MAX_INTERFACES = 1_000
"""Interfaces of one section of a pcapng file."""

_PCAP = {0xA1B2C3D4: 10**6, 0xA1B23C4D: 10**9}
"""Magic number of a pcap file -> parts of a second in its times."""
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER = 0x1A2B3C4D
_RESOLUTION = 9
"""The option if_tsresol of an interface."""


class Packet(NamedTuple):
    """One captured packet: `number` from 1, `time_s` since 1970 where it is told, `missing` octets that were not kept."""

    number: int
    time_s: float | None
    link_type: int
    octets: bytes
    missing: int


@dataclasses.dataclass(slots=True)
class Packets:
    """The packets of one file, once.  `problem` says, behind the last one, why there are no more where that is a fault."""

    file: BinaryIO
    problem: str | None = None
    count: int = 0
    offset: int = 0

    def __iter__(self) -> Iterator[Packet]:
        """Packet after packet.  Raises DecodeError for what is no capture file at all."""
        magic = self._take(4)
        order = byte_order(magic)
        if order is None:
            raise DecodeError("no capture file: neither pcap nor pcapng", magic, 0)
        try:
            if int.from_bytes(magic, "big") == _SECTION:
                yield from self._blocks()
            else:
                yield from self._classic(order, _PCAP[struct.unpack(order + "I", magic)[0]])
        except _Ends as fault:
            self.problem = str(fault)

    def _take(self, size: int) -> bytes:
        octets = self.file.read(size)
        self.offset += len(octets)
        return octets

    def _exactly(self, size: int, what: str) -> bytes:
        octets = self._take(size)
        if len(octets) < size:
            raise _Ends(f"the file ends at offset {self.offset}, within {what} behind packet {self.count}")
        return octets

    def _classic(self, order: str, parts: int) -> Iterator[Packet]:
        _, _, _, _, _, link = struct.unpack(order + "HHiIII", self._exactly(20, "its header"))
        header = struct.Struct(order + "IIII")
        while head := self._take(header.size):
            head += b"" if len(head) == header.size else self._exactly(header.size - len(head), "the header")
            seconds, fraction, kept, size = header.unpack(head)
            self._check(kept)
            octets = self._exactly(kept, "the packet")
            yield self._packet(seconds + fraction / parts, link & 0x0FFF_FFFF, octets, size)

    def _check(self, size: int) -> None:
        if size > MAX_BLOCK:
            raise _Ends(f"{size} octets are announced at offset {self.offset}, behind packet {self.count}: damaged")

    def _packet(self, time_s: float | None, link: int, octets: bytes, size: int) -> Packet:
        self.count += 1
        return Packet(self.count, time_s, link, octets, max(0, size - len(octets)))

    def _blocks(self) -> Iterator[Packet]:
        """The blocks of a pcapng file; the type of the first one is behind us."""
        order, kind = "<", _SECTION
        interfaces: list[tuple[int, float]] = []
        while True:
            head = self._exactly(4, "a block")
            if kind == _SECTION:
                found = byte_order(self._exactly(4, "a section"), _BYTE_ORDER)
                if found is None:
                    raise _Ends(f"no byte order at offset {self.offset}: damaged")
                order, interfaces = found, []
            (size,) = struct.unpack(order + "I", head)
            self._check(size)
            taken = 12 if kind == _SECTION else 8
            if size % 4 or size < taken + 4:
                raise _Ends(f"a block of {size} octets at offset {self.offset}: damaged")
            body = self._exactly(size - taken, "a block")[:-4]
            if kind == _INTERFACE and len(interfaces) < MAX_INTERFACES:
                interfaces.append(_interface(body, order))
            packet = self._of_block(kind, body, order, interfaces)
            if packet is not None:
                yield packet
            following = self._take(4)
            if not following:
                return
            following += b"" if len(following) == 4 else self._exactly(4 - len(following), "a block")
            (kind,) = struct.unpack(order + "I", following)

    def _of_block(self, kind: int, body: bytes, order: str, interfaces: list[tuple[int, float]]) -> Packet | None:
        """The packet in a block, None where it is of another kind.  Raises _Ends."""
        try:
            if kind == _SIMPLE_PACKET:
                (size,) = struct.unpack_from(order + "I", body)
                return self._packet(None, interfaces[0][0], body[4 : 4 + size], size)
            if kind not in (_PACKET, _OLD_PACKET):
                return None
            layout = "IIIII" if kind == _PACKET else "HxxIIII"
            interface, high, low, kept, size = struct.unpack_from(order + layout, body)
            link, resolution = interfaces[interface]
        except (struct.error, IndexError):
            raise _Ends(f"a block without its interface or its fields at offset {self.offset}: damaged") from None
        if kept > len(body) - 20:
            raise _Ends(f"a packet of {kept} octets in a block of {len(body)} at offset {self.offset}: damaged")
        return self._packet((high << 32 | low) * resolution, link, body[20 : 20 + kept], size)


class _Ends(Exception):
    """Why the packets of a file end before it does, or it before them."""


def byte_order(magic: bytes, wanted: int | None = None) -> str | None:
    """How `struct` names the byte order that a magic number tells; None where it is none of `wanted`, or of a file."""
    if len(magic) == 4:
        if wanted is None and int.from_bytes(magic, "big") == _SECTION:
            return "<"  # the section says which
        for order in "<>":
            if struct.unpack(order + "I", magic)[0] in (_PCAP if wanted is None else (wanted,)):
                return order
    return None


def _interface(body: bytes, order: str) -> tuple[int, float]:
    """Link type and resolution of times, in seconds.  Raises _Ends."""
    if len(body) < 8:
        raise _Ends(f"an interface of {len(body)} octets: damaged")
    resolution, at = 1e-6, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == _RESOLUTION and size == 1 and at + 4 < len(body):
            exponent = body[at + 4] & 0x7F
            resolution = 2.0**-exponent if body[at + 4] & 0x80 else 10.0**-exponent
        at += 4 + (size + 3) // 4 * 4
    return struct.unpack_from(order + "H", body)[0], resolution
