"""GET: reading attributes by logical name.  Green Book, GET-Request and GET-Response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from dlms.apdu.attribute import ACCESS, CosemAttributeDescriptor, CosemAttributeDescriptorWithSelection, ResultBlock
from dlms.codec import INVOKE, U32, Nested, Record, Rest, ResultOf, SequenceOf, record


@record
class GetRequestNormal(Record, prefix="C001"):
    """Read one attribute."""

    invoke: INVOKE
    attribute: CosemAttributeDescriptor
    access: ACCESS = None


@record
class GetRequestNext(Record, prefix="C002"):
    """Ask for the next block of a long answer; the number is that of the block received last."""

    invoke: INVOKE
    block_number: U32


@record
class GetRequestWithList(Record, prefix="C003"):
    """Read several attributes at once."""

    json_names: ClassVar[Mapping[str, str]] = {"descriptors": "list"}
    invoke: INVOKE
    descriptors: Annotated[
        list[CosemAttributeDescriptorWithSelection], SequenceOf(Nested(CosemAttributeDescriptorWithSelection))
    ]


@record
class GetResponseNormal(Record, prefix="C401"):
    """The value of one attribute, or the refusal."""

    invoke: INVOKE
    result: Annotated[Any, ResultOf()]


@record
class GetResponseRaw(Record, prefix="C401"):
    """GetResponseNormal with its result left encoded, for values that are decoded by columns."""

    invoke: INVOKE
    result: Annotated[bytes, Rest()]


@record
class GetResponseWithDatablock(Record, prefix="C402"):
    """One block of a long answer."""

    invoke: INVOKE
    block: ResultBlock


@record
class GetResponseWithList(Record, prefix="C403"):
    """The values or refusals of a with-list request, in its order."""

    invoke: INVOKE
    results: Annotated[list[Any], SequenceOf(ResultOf())]


@record
class GetResponseListRaw(Record, prefix="C403"):
    """GetResponseWithList with its results left encoded."""

    invoke: INVOKE
    results: Annotated[bytes, Rest()]
