"""What a captured packet carries: the headers of links, IP, TCP and UDP, and the octets behind them."""

from __future__ import annotations

import ipaddress
import struct
from typing import Annotated, NamedTuple

from dlms.codec import U8, U16, U32, FixedOctets, Record, record
from dlms.decode.pcap import Packet

IPV4, IPV6 = 0x0800, 0x86DD
_VLAN = (0x8100, 0x88A8, 0x9100)
_TCP, _UDP = 6, 17
_EXTENSIONS = (0, 43, 60)
"""Headers between IPv6 and TCP or UDP that have a length: hop-by-hop, routing, destination."""
_MAX_HEADERS = 8
_LINKS = {1: 12, 113: 14, 276: 0}
"""Link type -> where its protocol stands: Ethernet, two of Linux."""
_LOOPBACK, _RAW = (0, 108), (12, 14, 101, 228, 229)
"""Link types with four octets of an address family, and with none, in front of IP."""
SYN, FIN, RST, ACK = 2, 1, 4, 16
"""Flags of TCP."""


@record
class Ipv4Header(Record):
    """RFC 791, 3.1."""

    version_and_size: U8
    service: U8
    total_length: U16
    identification: U16
    fragment: U16
    time_to_live: U8
    protocol: U8
    checksum: U16
    source: Annotated[bytes, FixedOctets(4)]
    destination: Annotated[bytes, FixedOctets(4)]


@record
class Ipv6Header(Record):
    """RFC 8200, 3."""

    version_class_flow: U32
    payload_length: U16
    next_header: U8
    hop_limit: U8
    source: Annotated[bytes, FixedOctets(16)]
    destination: Annotated[bytes, FixedOctets(16)]


@record
class TcpHeader(Record):
    """RFC 9293, 3.1."""

    source: U16
    destination: U16
    sequence: U32
    acknowledgement: U32
    size: U8
    flags: U8
    window: U16
    checksum: U16
    urgent: U16


@record
class UdpHeader(Record):
    """RFC 768."""

    source: U16
    destination: U16
    length: U16
    checksum: U16


class Segment(NamedTuple):
    """The octets of one packet of TCP or UDP (`tcp` None); `missing` octets behind them were not kept."""

    source: tuple[str, int]
    destination: tuple[str, int]
    tcp: TcpHeader | None
    octets: bytes
    missing: int


def segment(packet: Packet) -> Segment | None:
    """What the packet carries; None where that is neither TCP nor UDP, a part of a datagram, or not all of a header."""
    try:
        return _of_ip(packet)
    except (struct.error, IndexError):
        return None


def _of_ip(packet: Packet) -> Segment | None:
    data, at = packet.octets, _ip_at(packet)
    if at is None:
        return None
    if data[at] >> 4 == 4:
        ip, _ = Ipv4Header.decode_from(data, at)
        if ip.fragment & 0x3FFF:
            return None
        # a length of 0 is that of a packet that the sender's network card was to cut
        end = at + ip.total_length if ip.total_length else len(data) + packet.missing
        return _of_transport(packet, ip.protocol, (ip.source, ip.destination), at + 4 * (ip.version_and_size & 15), end)
    if data[at] >> 4 != 6:
        return None
    six, behind = Ipv6Header.decode_from(data, at)
    end = behind + six.payload_length if six.payload_length else len(data) + packet.missing
    protocol = six.next_header
    for _ in range(_MAX_HEADERS):
        if protocol not in _EXTENSIONS:
            break
        protocol, behind = data[behind], behind + 8 * (data[behind + 1] + 1)
    return _of_transport(packet, protocol, (six.source, six.destination), behind, end)


def _ip_at(packet: Packet) -> int | None:
    """Where IP begins."""
    if packet.link_type in _RAW:
        return 0
    if packet.link_type in _LOOPBACK:
        return 4
    at = _LINKS.get(packet.link_type)
    if at is None:
        return None
    (protocol,) = struct.unpack_from(">H", packet.octets, at)
    behind = at + 2 if packet.link_type != 276 else 20
    for _ in range(2):
        if protocol in _VLAN:
            (protocol,) = struct.unpack_from(">H", packet.octets, behind + 2)
            behind += 4
    return behind if protocol in (IPV4, IPV6) else None


def _of_transport(packet: Packet, protocol: int, addresses: tuple[bytes, bytes], at: int, end: int) -> Segment | None:
    """The segment whose header is at `at`; the datagram ends at `end`, be that kept or not."""
    tcp: TcpHeader | None = None
    if protocol == _TCP:
        tcp, _ = TcpHeader.decode_from(packet.octets, at)
        ports, start = (tcp.source, tcp.destination), at + max(20, 4 * (tcp.size >> 4))
    elif protocol == _UDP:
        udp, start = UdpHeader.decode_from(packet.octets, at)
        ports = udp.source, udp.destination
        end = min(end, at + udp.length) if udp.length >= 8 else end
    else:
        return None
    octets = packet.octets[start:end]
    missing = max(0, end - start - len(octets)) if packet.missing else 0
    source, destination = (str(ipaddress.ip_address(address)) for address in addresses)
    return Segment((source, ports[0]), (destination, ports[1]), tcp, octets, missing)
