"""A second codec for frames, written with construct and sharing nothing with the first."""

from __future__ import annotations

from typing import Any

from construct import (
    BitsInteger,
    BitStruct,
    Byte,
    Bytes,
    Computed,
    Const,
    Flag,
    GreedyBytes,
    If,
    Int16ul,
    RepeatUntil,
    Struct,
    Terminated,
    this,
)

FORMAT = BitStruct("type" / Const(0b1010, BitsInteger(4)), "segmented" / Flag, "length" / BitsInteger(11))
ADDRESS = RepeatUntil(lambda octet, *_: octet & 1, Byte)

FRAME = Struct(
    Const(b"~"),
    "format" / FORMAT,
    "destination" / ADDRESS,
    "source" / ADDRESS,
    "control" / Byte,
    "rest" / Computed(lambda c: c.format.length - 2 - len(c.destination) - len(c.source) - 1 - 2),
    "hcs" / If(this.rest > 0, Int16ul),
    "info" / If(this.rest > 0, Bytes(this.rest - 2)),
    "fcs" / Int16ul,
    Const(b"~"),
    Terminated,
)

HEAD = Struct("format" / FORMAT, "destination" / ADDRESS, "source" / ADDRESS, "control" / Byte)


def crc(data: bytes) -> int:
    """The check sequence, one bit at a time."""
    register = 0xFFFF
    for octet in data:
        for bit in range(8):
            register = register >> 1 ^ (0x8408 if (register ^ octet >> bit) & 1 else 0)
    return register ^ 0xFFFF


def parse(octets: bytes) -> Any:
    """The fields of a frame with its flags, checked."""
    fields = FRAME.parse(octets)
    head = 5 + len(fields.destination) + len(fields.source) - 2
    if fields.hcs is not None and fields.hcs != crc(octets[1 : 1 + head]):
        raise ValueError("HCS")
    if fields.fcs != crc(octets[1:-3]):
        raise ValueError("FCS")
    return fields


def build(destination: bytes, source: bytes, control: int, info: bytes, segmented: bool) -> bytes:
    """A frame with its flags."""
    length = 2 + len(destination) + len(source) + 1 + 2 + (len(info) + 2 if info else 0)
    octets: bytes = HEAD.build(
        {
            "format": {"segmented": segmented, "length": length},
            "destination": list(destination),
            "source": list(source),
            "control": control,
        }
    )
    if info:
        octets += Int16ul.build(crc(octets)) + GreedyBytes.build(info)
    octets += Int16ul.build(crc(octets))
    return b"~" + octets + b"~"
