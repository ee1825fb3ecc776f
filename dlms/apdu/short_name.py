"""Services with short names: Read, Write, UnconfirmedWrite, InformationReport.  Green Book, COSEMpdu."""

from __future__ import annotations

from typing import Annotated, Any

from dlms.codec import (
    BOOL,
    DATA,
    OCTETS,
    U8,
    U16,
    Alternatives,
    DataValue,
    Octets,
    Optional,
    Record,
    Rest,
    SequenceOf,
    record,
)


@record
class VariableName(Record):
    """An attribute by its short name."""

    variable_name: U16


@record
class ParameterizedAccess(Record):
    """A part of an attribute, or a method that takes a parameter."""

    variable_name: U16
    selector: U8
    parameter: DATA


@record
class BlockNumberAccess(Record):
    """Ask for the next block of a long answer."""

    block_number: U16


@record
class ReadDataBlockAccess(Record):
    """One block of a long request."""

    last_block: BOOL
    block_number: U16
    raw_data: OCTETS


@record
class WriteDataBlockAccess(Record):
    """Announces one block of a long write."""

    last_block: BOOL
    block_number: U16


VARIABLES = SequenceOf(
    Alternatives(
        (
            (2, VariableName),
            (4, ParameterizedAccess),
            (5, BlockNumberAccess),
            (6, ReadDataBlockAccess),
            (7, WriteDataBlockAccess),
        )
    )
)


@record
class ReadData(Record):
    """The value of one variable."""

    data: DATA


@record
class DataAccessError(Record):
    """The refusal of one variable."""

    data_access_result: U8


@record
class DataBlockResult(Record):
    """One block of a long answer."""

    last_block: BOOL
    block_number: U16
    raw_data: OCTETS


@record
class BlockNumber(Record):
    """A block arrived; the next one may come."""

    block_number: U16


@record
class Success(Record):
    """The variable was written."""


READ_RESULTS = SequenceOf(Alternatives(((0, ReadData), (1, DataAccessError), (2, DataBlockResult), (3, BlockNumber))))


@record
class ReadRequest(Record, prefix="05"):
    """Read variables."""

    variables: Annotated[list[Any], VARIABLES]


@record
class ReadResponse(Record, prefix="0C"):
    """The values or refusals of a read, in its order."""

    results: Annotated[list[Any], READ_RESULTS]


@record
class ReadResponseRaw(Record, prefix="0C"):
    """ReadResponse with its results left encoded: a long one arrives in blocks, a profile is decoded by columns."""

    results: Annotated[bytes, Rest()]


@record
class WriteRequest(Record, prefix="06"):
    """Write variables."""

    variables: Annotated[list[Any], VARIABLES]
    values: Annotated[list[Any], SequenceOf(DataValue())]


@record
class WriteResponse(Record, prefix="0D"):
    """Which variables were written, in the order of the request."""

    results: Annotated[list[Any], SequenceOf(Alternatives(((0, Success), (1, DataAccessError), (2, BlockNumber))))]


@record
class UnconfirmedWriteRequest(Record, prefix="16"):
    """Write variables without an answer."""

    variables: Annotated[list[Any], VARIABLES]
    values: Annotated[list[Any], SequenceOf(DataValue())]


@record
class InformationReportRequest(Record, prefix="18"):
    """Values that the server sends by itself; `current_time` is a GeneralizedTime in ASCII."""

    current_time: Annotated[bytes | None, Optional(Octets())]
    variables: Annotated[list[Any], VARIABLES]
    values: Annotated[list[Any], SequenceOf(DataValue())]
