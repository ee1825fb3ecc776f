"""SET: writing attributes by logical name.  Green Book, SET-Request and SET-Response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from dlms.apdu.attribute import ACCESS, CosemAttributeDescriptor, CosemAttributeDescriptorWithSelection, DataBlock
from dlms.codec import DATA, INVOKE, U8, U32, DataValue, Fixed, Nested, Record, SequenceOf, record

_ATTRIBUTES = SequenceOf(Nested(CosemAttributeDescriptorWithSelection))


@record
class SetRequestNormal(Record, prefix="C101"):
    """Write one attribute."""

    invoke: INVOKE
    attribute: CosemAttributeDescriptor
    access: ACCESS
    value: DATA


@record
class SetRequestWithFirstDatablock(Record, prefix="C102"):
    """Begin to write one attribute whose value does not fit in one APDU."""

    invoke: INVOKE
    attribute: CosemAttributeDescriptor
    access: ACCESS
    block: DataBlock


@record
class SetRequestWithDatablock(Record, prefix="C103"):
    """One more block of a long value."""

    invoke: INVOKE
    block: DataBlock


@record
class SetRequestWithList(Record, prefix="C104"):
    """Write several attributes at once."""

    json_names: ClassVar[Mapping[str, str]] = {"descriptors": "list"}
    invoke: INVOKE
    descriptors: Annotated[list[CosemAttributeDescriptorWithSelection], _ATTRIBUTES]
    values: Annotated[list[Any], SequenceOf(DataValue())]


@record
class SetRequestWithListAndFirstDatablock(Record, prefix="C105"):
    """Begin to write several attributes whose values do not fit in one APDU."""

    json_names: ClassVar[Mapping[str, str]] = {"descriptors": "list"}
    invoke: INVOKE
    descriptors: Annotated[list[CosemAttributeDescriptorWithSelection], _ATTRIBUTES]
    block: DataBlock


@record
class SetResponseNormal(Record, prefix="C501"):
    """Whether the value was written."""

    invoke: INVOKE
    result: U8


@record
class SetResponseDatablock(Record, prefix="C502"):
    """A block arrived; the next one may come."""

    invoke: INVOKE
    block_number: U32


@record
class SetResponseLastDatablock(Record, prefix="C503"):
    """The last block arrived, and whether the value was written."""

    invoke: INVOKE
    result: U8
    block_number: U32


@record
class SetResponseLastDatablockWithList(Record, prefix="C504"):
    """The last block arrived, and which values were written."""

    invoke: INVOKE
    results: Annotated[list[int], SequenceOf(Fixed("B"))]
    block_number: U32


@record
class SetResponseWithList(Record, prefix="C505"):
    """Which values of a with-list request were written, in its order."""

    invoke: INVOKE
    results: Annotated[list[int], SequenceOf(Fixed("B"))]
