"""What a server sends by itself: DataNotification and EventNotification.  Green Book, COSEMpdu."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from dlms import data as cosem_data
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.axdr import decode_length, encode_length
from dlms.codec import DATA, TIME, U32, DataValue, Octets, Optional, Record, record
from dlms.errors import DecodeError

LONG_INVOKE_ID, CONFIRMED = (1 << 24) - 1, 1 << 30
"""Bits of a long invoke-id: the number, and whether a confirmation is wanted."""


@dataclasses.dataclass(frozen=True, slots=True)
class UntaggedPush:
    """A push list whose entries begin with an attribute descriptor without Data tags (Sagemcom, EGD in Czechia)."""

    enum: int
    entries: tuple[tuple[CosemAttributeDescriptor, Any], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NotificationBody(DataValue):
    """Data; where it is none, the untagged form that some meters send: 02 02 16 enum 01 count (02 02 descriptor Data)*."""

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        untagged = buf[pos : pos + 3] == b"\x02\x02\x16" and buf[pos + 4 : pos + 5] == b"\x01"
        try:
            value, end = cosem_data.decode_from(buf, pos)
        except DecodeError:
            if not untagged:
                raise
            return _decode_untagged(buf, pos)
        # a class identifier 00 .. reads as null-data, so a short list may pass for Data that ends too early
        return _decode_untagged(buf, pos) if untagged and end != len(buf) else (value, end)

    def encode(self, value: Any, out: bytearray) -> None:
        if not isinstance(value, UntaggedPush):
            return cosem_data.encode_to(value, out)
        out += bytes((2, 2, 0x16, value.enum, 1)) + encode_length(len(value.entries))
        for attribute, entry in value.entries:
            out += b"\x02\x02"
            attribute.encode_to(out)
            cosem_data.encode_to(entry, out)

    def to_json(self, value: Any) -> Any:
        if not isinstance(value, UntaggedPush):
            return cosem_data.to_json(value)
        entries = [{"attribute": a.to_json(), "value": cosem_data.to_json(v)} for a, v in value.entries]
        return {"enum": value.enum, "entries": entries}

    def from_json(self, value: Any) -> Any:
        if "entries" not in value:
            return cosem_data.from_json(value)
        of = CosemAttributeDescriptor
        entries = [(of.from_json(e["attribute"]), cosem_data.from_json(e["value"])) for e in value["entries"]]
        return UntaggedPush(value["enum"], tuple(entries))


def _decode_untagged(buf: bytes, pos: int) -> tuple[UntaggedPush, int]:
    kind = buf[pos + 3]
    count, pos = decode_length(buf, pos + 5)
    entries = []
    for _ in range(count):
        if buf[pos : pos + 2] != b"\x02\x02":
            raise DecodeError("an entry of an untagged push list starts with 02 02", buf, pos)
        attribute, pos = CosemAttributeDescriptor.decode_from(buf, pos + 2)
        value, pos = cosem_data.decode_from(buf, pos)
        entries.append((attribute, value))
    return UntaggedPush(kind, tuple(entries)), pos


@record
class DataNotification(Record, prefix="0F"):
    """A push message.  Bit 30 of the long invoke-id asks for a confirmation; `date_time` is empty or 12 octets."""

    long_invoke_id_and_priority: U32
    date_time: TIME
    body: Annotated[Any, NotificationBody()]

    @property
    def invoke_id(self) -> int:
        """The number of the message, 24 bits."""
        return self.long_invoke_id_and_priority & LONG_INVOKE_ID

    @property
    def confirmed(self) -> bool:
        """Whether the sender waits for a confirmation."""
        return bool(self.long_invoke_id_and_priority & CONFIRMED)


@record
class DataNotificationConfirm(Record, prefix="10"):
    """The client has received a confirmed push message."""

    long_invoke_id_and_priority: U32
    date_time: TIME

    @property
    def invoke_id(self) -> int:
        """The number of the message, 24 bits."""
        return self.long_invoke_id_and_priority & LONG_INVOKE_ID


@record
class EventNotificationRequest(Record, prefix="C2"):
    """One attribute's value, sent because of an event; `time` is None or a date-time of 12 octets."""

    time: Annotated[bytes | None, Optional(Octets())]
    attribute: CosemAttributeDescriptor
    value: DATA

    def problems(self) -> list[str]:
        """A time has 12 octets."""
        return [] if self.time is None or len(self.time) in (0, 12) else [f"time of {len(self.time)} octets"]
