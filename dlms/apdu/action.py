"""ACTION: calling methods by logical name.  Green Book, ACTION-Request and ACTION-Response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from dlms.apdu.attribute import CosemMethodDescriptor, DataBlock
from dlms.codec import (
    ABSENT,
    INVOKE,
    U8,
    U32,
    DataValue,
    Nested,
    OptionalOrAbsent,
    Record,
    ResultOf,
    SequenceOf,
    record,
)

_METHODS = SequenceOf(Nested(CosemMethodDescriptor))


@record
class ActionRequestNormal(Record, prefix="C301"):
    """Call one method; `parameters` is ABSENT when it takes none."""

    invoke: INVOKE
    method: CosemMethodDescriptor
    parameters: Annotated[Any, OptionalOrAbsent(DataValue())] = ABSENT


@record
class ActionRequestNextPblock(Record, prefix="C302"):
    """Ask for the next block of a long answer."""

    invoke: INVOKE
    block_number: U32


@record
class ActionRequestWithList(Record, prefix="C303"):
    """Call several methods at once."""

    json_names: ClassVar[Mapping[str, str]] = {"descriptors": "list"}
    invoke: INVOKE
    descriptors: Annotated[list[CosemMethodDescriptor], _METHODS]
    parameters: Annotated[list[Any], SequenceOf(DataValue())]


@record
class ActionRequestWithFirstPblock(Record, prefix="C304"):
    """Begin to call one method whose parameters do not fit in one APDU."""

    invoke: INVOKE
    method: CosemMethodDescriptor
    block: DataBlock


@record
class ActionRequestWithListAndFirstPblock(Record, prefix="C305"):
    """Begin to call several methods whose parameters do not fit in one APDU."""

    json_names: ClassVar[Mapping[str, str]] = {"descriptors": "list"}
    invoke: INVOKE
    descriptors: Annotated[list[CosemMethodDescriptor], _METHODS]
    block: DataBlock


@record
class ActionRequestWithPblock(Record, prefix="C306"):
    """One more block of long parameters."""

    invoke: INVOKE
    block: DataBlock


@record
class ActionResult(Record):
    """Action-Response-With-Optional-Data: the result code and what the method returned.

    `return_parameters` is ABSENT, a Data value (None is null-data), or a Refusal.
    """

    json_names: ClassVar[Mapping[str, str]] = {"return_parameters": "return"}
    result: U8
    return_parameters: Annotated[Any, OptionalOrAbsent(ResultOf())] = ABSENT


@record
class ActionResponseNormal(Record, prefix="C701"):
    """What one method answered."""

    invoke: INVOKE
    response: ActionResult

    def to_json(self) -> dict[str, Any]:
        """The result's fields stand beside the invoke octet."""
        return {"invoke": self.layout[0][1].to_json(self.invoke), **self.response.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> ActionResponseNormal:
        """The inverse of `to_json`."""
        return cls(cls.layout[0][1].from_json(value["invoke"]), ActionResult.from_json(value))


@record
class ActionResponseWithPblock(Record, prefix="C702"):
    """One block of a long answer."""

    invoke: INVOKE
    block: DataBlock


@record
class ActionResponseWithList(Record, prefix="C703"):
    """What the methods of a with-list request answered, in its order."""

    json_names: ClassVar[Mapping[str, str]] = {"responses": "list"}
    invoke: INVOKE
    responses: Annotated[list[ActionResult], SequenceOf(Nested(ActionResult))]


@record
class ActionResponseNextPblock(Record, prefix="C704"):
    """A block of the parameters arrived; the next one may come."""

    invoke: INVOKE
    block_number: U32
