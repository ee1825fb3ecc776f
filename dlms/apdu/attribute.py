"""The descriptors, selections and blocks that the services with logical names share.  Green Book, COSEMpdu."""

from __future__ import annotations

from typing import Annotated, Any

from dlms.codec import BOOL, DATA, NAME, OCTETS, U8, U16, U32, Nested, Octets, Optional, Record, ResultOf, record


@record
class CosemAttributeDescriptor(Record):
    """Which attribute: class, logical name, attribute index."""

    class_id: U16
    instance_id: NAME
    attribute_id: U8


@record
class CosemMethodDescriptor(Record):
    """Which method: class, logical name, method index."""

    class_id: U16
    instance_id: NAME
    method_id: U8


@record
class SelectiveAccess(Record):
    """Selective-Access-Descriptor: which part of an attribute."""

    selector: U8
    parameters: DATA


ACCESS = Annotated[SelectiveAccess | None, Optional(Nested(SelectiveAccess))]


@record
class CosemAttributeDescriptorWithSelection(Record):
    """An attribute and, optionally, which part of it."""

    attribute: CosemAttributeDescriptor
    access: ACCESS = None


@record
class DataBlock(Record):
    """DataBlock-SA and -G without its result choice: a piece of a long value on its way."""

    last_block: BOOL
    block_number: U32
    raw_data: OCTETS


@record
class ResultBlock(Record):
    """DataBlock-G: a piece of a long result, or the refusal that ends it."""

    last_block: BOOL
    block_number: U32
    result: Annotated[Any, ResultOf(Octets(), "raw_data")]

    def to_json(self) -> dict[str, Any]:
        """The result's alternative stands beside the other fields."""
        last, number, result = (codec.to_json(getattr(self, name)) for name, codec in self.layout)
        return {"last_block": last, "block_number": number, **result}

    @classmethod
    def from_json(cls, value: Any) -> ResultBlock:
        """The inverse of `to_json`."""
        return cls(value["last_block"], value["block_number"], cls.layout[2][1].from_json(value))
