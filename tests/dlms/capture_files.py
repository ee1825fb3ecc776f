"""Capture files made by hand: packets of TCP and UDP, and the two formats that keep them.  Apart from the code under test."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

CLIENT, METER = ("10.0.0.2", 50000), ("10.0.0.7", 4059)
ETHERNET, RAW, LOOPBACK, COOKED, COOKED_2 = 1, 101, 0, 113, 276
START_S = 1_767_225_600
"""2026-01-01 in UTC."""
End = tuple[str, int]


def ip(
    source: str, destination: str, protocol: int, payload: bytes, *, fragment: int = 0, extended: bool = False
) -> bytes:
    """A datagram of IPv4 or IPv6; `extended` puts an IPv6 header of hop-by-hop options in front of the payload."""
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if len(addresses) == 8:
        head = struct.pack(">BBHHHBBH", 0x46, 0, 24 + len(payload), 1, fragment, 64, protocol, 0)
        return head + addresses + bytes(4) + payload  # an option of four octets
    if extended:
        payload, protocol = bytes((protocol, 0)) + bytes(6) + payload, 0
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload


def udp(source: End, destination: End, payload: bytes) -> bytes:
    """A datagram of UDP in IP."""
    head = struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0)
    return ip(source[0], destination[0], 17, head + payload)


def tcp(
    source: End, destination: End, sequence: int, payload: bytes = b"", flags: int = 0x18, **options: bool
) -> bytes:
    """A segment of TCP in IP; flags 02 SYN, 10 ACK, 18 PSH ACK."""
    head = struct.pack(">HHIIBBHHH", source[1], destination[1], sequence % 2**32, 0, 0x60, flags, 1000, 0, 0)
    return ip(source[0], destination[0], 6, head + bytes(4) + payload, **options)  # type: ignore[arg-type]


class Talk:
    """One TCP connection: who says what, cut into segments, with the numbers that belong to it."""

    def __init__(self, first: End = CLIENT, second: End = METER, sequence: int = 0xFFFF_FF80) -> None:
        self.ends = {first: sequence, second: sequence + 5}
        self.packets: list[bytes] = []
        for end in self.ends:
            self.packets.append(tcp(end, self._other(end), self.ends[end], flags=2 if end == first else 0x12))
            self.ends[end] += 1

    def _other(self, end: End) -> End:
        return next(one for one in self.ends if one != end)

    def say(self, end: End, octets: bytes, size: int = 1460) -> Talk:
        """Octets in segments of at most `size`."""
        for start in range(0, len(octets), size):
            part = octets[start : start + size]
            self.packets.append(tcp(end, self._other(end), self.ends[end], part))
            self.ends[end] += len(part)
        return self


def ethernet(datagram: bytes, *tags: int) -> bytes:
    """A frame, with VLAN tags."""
    protocol = struct.pack(">H", 0x0800 if datagram[0] >> 4 == 4 else 0x86DD)
    return bytes(12) + b"".join(struct.pack(">HH", tag, 5) for tag in tags) + protocol + datagram


def linked(datagram: bytes, link: int) -> bytes:
    """What a capture of a link type has of a datagram."""
    protocol = struct.pack(">H", 0x0800 if datagram[0] >> 4 == 4 else 0x86DD)
    heads = {RAW: b"", LOOPBACK: bytes(4), COOKED: bytes(14) + protocol, COOKED_2: protocol + bytes(18)}
    return ethernet(datagram) if link == ETHERNET else heads[link] + datagram


def pcap(
    datagrams: Sequence[bytes], link: int = ETHERNET, order: str = "<", *, nano: bool = False, keep: int = 65535
) -> bytes:
    """A classic file, a packet every hundredth of a second, of each at most `keep` octets."""
    parts = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, keep, link)]
    step = 10_000_000 if nano else 10_000
    for place, datagram in enumerate(datagrams):
        octets = linked(datagram, link)
        parts.append(
            struct.pack(order + "IIII", START_S, step * place, len(octets[:keep]), len(octets)) + octets[:keep]
        )
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(datagrams: Sequence[bytes], link: int = ETHERNET, order: str = "<", *, kind: int = 6) -> bytes:
    """A file of one section and one interface with times in milliseconds; packets in blocks of a kind: 6, 3 or 2."""
    section = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    option = struct.pack(order + "HHBxxx", 9, 1, 3) + bytes(4)
    parts = [section, block(1, struct.pack(order + "HHI", link, 0, 0) + option, order), block(5, bytes(12), order)]
    for place, datagram in enumerate(datagrams):
        octets = linked(datagram, link)
        time = START_S * 1000 + 10 * place
        sizes = (time >> 32, time & 0xFFFF_FFFF, len(octets), len(octets))
        heads = {6: struct.pack(order + "IIIII", 0, *sizes), 2: struct.pack(order + "HHIIII", 0, 0, *sizes)}
        heads[3] = struct.pack(order + "I", len(octets))
        parts.append(block(kind, heads[kind] + octets, order))
    return b"".join(parts)
