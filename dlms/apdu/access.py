"""ACCESS: a list of reads, writes and calls in one exchange.  Green Book, Access-Request and Access-Response."""

from __future__ import annotations

from typing import Annotated, Any

from dlms.apdu.attribute import CosemAttributeDescriptor, CosemMethodDescriptor, SelectiveAccess
from dlms.codec import TIME, U8, U32, Alternatives, DataValue, Optional, Record, SequenceOf, record


@record
class AccessGet(Record):
    """Read one attribute."""

    attribute: CosemAttributeDescriptor


@record
class AccessSet(Record):
    """Write one attribute."""

    attribute: CosemAttributeDescriptor


@record
class AccessAction(Record):
    """Call one method."""

    method: CosemMethodDescriptor


@record
class AccessGetWithSelection(Record):
    """Read a part of one attribute."""

    attribute: CosemAttributeDescriptor
    access: SelectiveAccess


@record
class AccessSetWithSelection(Record):
    """Write a part of one attribute."""

    attribute: CosemAttributeDescriptor
    access: SelectiveAccess


SPECIFICATIONS = SequenceOf(
    Alternatives(
        (
            (1, AccessGet),
            (2, AccessSet),
            (3, AccessAction),
            (4, AccessGetWithSelection),
            (5, AccessSetWithSelection),
        )
    )
)


@record
class AccessGetResult(Record):
    """How a read went."""

    result: U8


@record
class AccessSetResult(Record):
    """How a write went."""

    result: U8


@record
class AccessActionResult(Record):
    """How a call went."""

    result: U8


@record
class AccessRequest(Record, prefix="D9"):
    """A list of reads, writes and calls with the data of each (null-data for a read)."""

    long_invoke_id_and_priority: U32
    date_time: TIME
    specifications: Annotated[list[Any], SPECIFICATIONS]
    data: Annotated[list[Any], SequenceOf(DataValue())]


@record
class AccessResponse(Record, prefix="DA"):
    """The data and the result of each element of the request, in its order."""

    long_invoke_id_and_priority: U32
    date_time: TIME
    specifications: Annotated[list[Any] | None, Optional(SPECIFICATIONS)]
    data: Annotated[list[Any], SequenceOf(DataValue())]
    results: Annotated[
        list[Any],
        SequenceOf(Alternatives(((1, AccessGetResult), (2, AccessSetResult), (3, AccessActionResult)))),
    ]
