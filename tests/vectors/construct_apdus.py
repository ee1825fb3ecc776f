"""A second codec for the APDUs of a whole session, written with construct and sharing nothing with the first."""

from __future__ import annotations

import datetime
from typing import Any

from construct import (
    Array,
    Byte,
    Bytes,
    Const,
    Default,
    GreedyBytes,
    If,
    Int8sb,
    Int16ub,
    Int24ub,
    Int32ub,
    Prefixed,
    PrefixedArray,
    Struct,
)

REQUEST_LLC, RESPONSE_LLC = bytes.fromhex("e6e600"), bytes.fromhex("e6e700")

CONTEXT = Const(bytes.fromhex("a109060760857405080101"))
CONFORMANCE = Struct(Const(bytes.fromhex("5f1f0400")), "bits" / Int24ub)
AUTHENTICATION = Struct(
    Const(bytes.fromhex("8a0207808b0760857405080201")),
    Const(b"\xac"),
    "value" / Prefixed(Byte, Struct(Const(b"\x80"), "password" / Prefixed(Byte, GreedyBytes))),
)
INITIATE_REQUEST = Struct(
    Const(bytes.fromhex("01000000")), Const(b"\x06"), "conformance" / CONFORMANCE, "max_pdu" / Int16ub
)
INITIATE_RESPONSE = Struct(
    Const(bytes.fromhex("0800")), Const(b"\x06"), "conformance" / CONFORMANCE, "max_pdu" / Int16ub, Const(b"\x00\x07")
)


def information(initiate: Any) -> Any:
    """user-information: an initiate APDU as an octet string in an explicit tag."""
    return Struct(
        Const(b"\xbe"), "octets" / Prefixed(Byte, Struct(Const(b"\x04"), "initiate" / Prefixed(Byte, initiate)))
    )


AARQ = Struct(
    Const(b"\x60"),
    "body"
    / Prefixed(
        Byte,
        Struct(
            CONTEXT,
            "authentication" / If(lambda c: c._params.password is not None, AUTHENTICATION),
            "information" / information(INITIATE_REQUEST),
        ),
    ),
)
AARE = Struct(
    Const(b"\x61"),
    "body"
    / Prefixed(
        Byte,
        Struct(
            CONTEXT,
            Const(bytes.fromhex("a203020100")),
            Const(bytes.fromhex("a305a103020100")),
            "information" / information(INITIATE_RESPONSE),
        ),
    ),
)

ATTRIBUTE = Struct("class_id" / Int16ub, "instance" / Bytes(6), "index" / Int8sb)
GET_NORMAL = Struct(Const(b"\xc0\x01"), "invoke" / Byte, "attribute" / ATTRIBUTE, "selection" / GreedyBytes)
GET_NEXT = Struct(Const(b"\xc0\x02"), "invoke" / Byte, "number" / Int32ub)
SET_NORMAL = Struct(Const(b"\xc1\x01"), "invoke" / Byte, "attribute" / ATTRIBUTE, Const(b"\x00"), "value" / GreedyBytes)
GET_RESULT = Struct(Const(b"\xc4\x01"), "invoke" / Byte, Const(b"\x00"), "value" / GreedyBytes)
GET_REFUSAL = Struct(Const(b"\xc4\x01"), "invoke" / Byte, Const(b"\x01"), "result" / Byte)
SET_RESULT = Struct(Const(b"\xc5\x01"), "invoke" / Byte, "result" / Byte)
GET_BLOCK = Struct(
    Const(b"\xc4\x02"),
    "invoke" / Byte,
    "last" / Byte,
    "number" / Int32ub,
    Const(b"\x00"),
    Const(b"\x82"),
    "raw" / Prefixed(Int16ub, GreedyBytes),
)

CLOCK = Struct(
    Const(b"\x09\x0c"),
    "year" / Int16ub,
    "month" / Byte,
    "day" / Byte,
    "weekday" / Byte,
    "hour" / Byte,
    "minute" / Byte,
    "second" / Byte,
    Const(b"\xff\x80\x00"),
    "status" / Default(Byte, 0),
)
ROW = Struct(
    Const(b"\x02\x08"),
    "time" / CLOCK,
    Const(b"\x12"),
    "status" / Int16ub,
    Const(b"\x06"),
    "quality" / Int32ub,
    Const(b"\x0f"),
    "exponent" / Int8sb,
    "registers" / Array(4, Struct(Const(b"\x06"), "value" / Int32ub)),
)
ROWS = Struct(Const(b"\x01"), "rows" / PrefixedArray(Byte, ROW))
UNSIGNED_32 = Struct(Const(b"\x06"), "value" / Int32ub)
BY_RANGE = Struct(
    Const(b"\x01\x01\x02\x04"),
    Const(bytes.fromhex("020412000809060001010000ff0f02120000")),
    "first" / CLOCK,
    "last" / CLOCK,
    Const(b"\x01\x00"),
)


def aarq(conformance: int, max_pdu: int, password: bytes | None = None) -> bytes:
    """An association request with logical names, without or with a password."""
    initiate = {"conformance": {"bits": conformance}, "max_pdu": max_pdu}
    authentication = None if password is None else {"value": {"password": password}}
    body = {"authentication": authentication, "information": {"octets": {"initiate": initiate}}}
    built: bytes = AARQ.build({"body": body}, password=password)
    return built


def aare(conformance: int, max_pdu: int) -> bytes:
    """An association that is granted."""
    initiate = {"conformance": {"bits": conformance}, "max_pdu": max_pdu}
    built: bytes = AARE.build({"body": {"information": {"octets": {"initiate": initiate}}}})
    return built


def clock(moment: datetime.datetime) -> dict[str, int]:
    """The fields of a date-time."""
    return {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.isoweekday(),
        "hour": moment.hour,
        "minute": moment.minute,
        "second": moment.second,
    }
