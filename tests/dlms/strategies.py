"""Hypothesis strategies that follow from the declared layouts: a new APDU is property-tested with no new test code."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from dlms import acse, apdu, codec
from dlms import data as cosem_data
from dlms.apdu import APDUS
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.errors import ExceptionResponse
from dlms.apdu.notification import NotificationBody, UntaggedPush
from dlms.apdu.protected import PLAIN, ServiceCiphered
from dlms.codec import ABSENT, Codec, Record, Refusal
from dlms.enums import Conformance, ServiceError
from dlms.errors import DecodeError
from tests.dlms import data_values

Strategy = st.SearchStrategy[Any]
R = TypeVar("R", bound=Record)

RECORDS: tuple[type[Record], ...] = (*APDUS, ServiceCiphered, *acse.ACSE.values())
"""Every record that is an APDU of its own."""


def _declared() -> tuple[type[Record], ...]:
    names = [f"{apdu.__name__}.{one.name}" for one in pkgutil.iter_modules(apdu.__path__)]
    modules = [acse, *map(importlib.import_module, names)]
    found = [
        of for module in modules for of in vars(module).values() if getattr(of, "__module__", "") == module.__name__
    ]
    return tuple(of for of in found if isinstance(of, type) and issubclass(of, Record) and dataclasses.is_dataclass(of))


DECLARED: tuple[type[Record], ...] = _declared()
"""Every record that is declared in the modules of APDUs and ACSE: those of RECORDS, what they are made of, raw forms."""

NAMES = st.binary(min_size=6, max_size=6)
SHORT_OCTETS = st.binary(max_size=20) | st.binary(min_size=126, max_size=260)
INTEGERS = {"b": (-128, 127), "B": (0, 0xFF), "H": (0, 0xFFFF), "I": (0, 0xFFFF_FFFF)}


def of_codec(of: Codec) -> Strategy:
    """The values of one codec."""
    for kind, make in MAKERS.items():
        if type(of) is kind:
            return make(of)
    raise TypeError(f"no strategy for {of!r}: a new kind of codec needs a line in MAKERS")


def records(of: type[R]) -> st.SearchStrategy[R]:
    """The records of one class, from its layout; classes whose fields depend on each other are named in SPECIAL."""
    if of in SPECIAL:
        return SPECIAL[of]
    return st.builds(of, **{name: of_codec(one) for name, one in of.layout})


def _integers(of: Any) -> Strategy:
    return st.integers(*INTEGERS[of.fmt])


def _tagged_integers(of: Any) -> Strategy:
    return st.none() | st.integers(-(2**31), 2**31 - 1)


def _untagged_pushes() -> Strategy:
    entries = st.lists(st.tuples(records(CosemAttributeDescriptor), data_values.scalars), max_size=3).map(tuple)
    return st.builds(UntaggedPush, st.integers(0, 0xFF), entries).filter(_is_no_data)


def _is_no_data(push: UntaggedPush) -> bool:
    """Whether the octets of the list are not by chance those of a Data value, which would win."""
    wire = bytearray()
    NotificationBody().encode(push, wire)
    try:
        cosem_data.decode(bytes(wire))
    except DecodeError:
        return True
    return False


MAKERS: dict[type[Codec], Callable[[Any], Strategy]] = {
    codec.Fixed: _integers,
    codec.FixedOctets: lambda of: st.binary(min_size=of.size, max_size=of.size),
    codec.LogicalName: lambda of: NAMES,
    codec.Boolean: lambda of: st.booleans(),
    codec.DefaultTrue: lambda of: st.booleans(),
    codec.Octets: lambda of: SHORT_OCTETS,
    codec.Rest: lambda of: st.binary(max_size=20),
    codec.InvokeOctet: lambda of: st.integers(0, 0xFF),
    codec.DataValue: lambda of: data_values.values,
    codec.Optional: lambda of: st.none() | of_codec(of.inner),
    codec.OptionalOrAbsent: lambda of: st.just(ABSENT) | of_codec(of.inner),
    codec.SequenceOf: lambda of: st.lists(of_codec(of.inner), max_size=3),
    codec.ResultOf: lambda of: st.builds(Refusal, st.integers(0, 0xFF)) | of_codec(of.inner),
    codec.ConformanceBits: lambda of: st.builds(Conformance, st.integers(0, 0xFF_FFFF)),
    codec.OptionalTime: lambda of: st.just(b"") | st.binary(min_size=12, max_size=12),
    codec.Nested: lambda of: records(of.of),
    codec.Alternatives: lambda of: st.one_of([records(record) for _, record in of.by_tag]),
    NotificationBody: lambda of: data_values.values | _untagged_pushes(),
    acse.Tagged: lambda of: st.none() | SHORT_OCTETS,
    acse.TaggedInteger: _tagged_integers,
    acse.TaggedDiagnostic: lambda of: (
        st.none() | st.builds(acse.Diagnostic, st.sampled_from((1, 2)), st.integers(0, 0xFF))
    ),
}
"""Kind of codec -> the values that it encodes."""

_COUNTER = int(ServiceError.INVOCATION_COUNTER_ERROR)
_U8 = st.integers(0, 0xFF)

SPECIAL: dict[type[Record], Strategy] = {
    ExceptionResponse: (
        st.builds(ExceptionResponse, _U8, _U8.filter(lambda error: error != _COUNTER))
        | st.builds(ExceptionResponse, _U8, st.just(_COUNTER), st.integers(0, 0xFFFF_FFFF))
    ),
    ServiceCiphered: st.builds(ServiceCiphered, st.sampled_from(sorted(PLAIN)), SHORT_OCTETS),
}
"""Records with a rule between their fields."""

ACTION_RESULTS = records(ActionResult)
