"""Parts of a profile's buffer: by time, by number, some columns; whether the meter selects or not, the same rows."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import data as cosem_data
from dlms.apdu.get import GetRequestNormal, GetResponseRaw
from dlms.association import Negotiated
from dlms.client import Client, connect
from dlms.codec import Record
from dlms.compact_array import CompactArray, ScalarType, StructureType
from dlms.connection import Connection
from dlms.cosem_time import DateTime
from dlms.enums import ApplicationContext, Conformance
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.framing.wrapper import WrapperClient, WrapperServer
from dlms.ic import Data
from dlms.operations import Request
from dlms.operations.associate import AssociationRequest
from dlms.operations.buffer import Selection, buffer
from dlms.operations.profiles import Column, Entries, Wanted
from dlms.operations.referencing import LogicalNames
from dlms.quirks import Quirk
from dlms.server import Session
from dlms.values import DoubleLongUnsigned, Integer
from tests.dlms import short_name_meter
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import CLOCK, ENERGY, EVERYTHING, PROFILE, PUBLIC, SERVER, at, device, rows, store
from tests.dlms.short_name_meter import Loop

C = Conformance
COLUMNS = [Column(8, CLOCK.instance, 2, 0), Column(3, ENERGY.instance, 2, 0), Column(3, ENERGY.instance, 4, 0)]
COUNT = 20
ELSEWHERE = Data("0.0.96.99.99.255").value


def reader(conformance: Conformance, quirks: frozenset[Quirk] = frozenset()) -> Client:
    """A client of a meter with twenty rows."""
    session = Session({None: device(store(COUNT), quirks=quirks)}, WrapperServer())
    request = AssociationRequest(conformance=conformance)
    return Client(Connection(WrapperClient(PUBLIC, SERVER), request, quirks=quirks), Loop(session)).open()


SELECTING, WHOLE = reader(EVERYTHING), reader(EVERYTHING & ~C.SELECTIVE_ACCESS)
KINDS: dict[str, tuple[Client, Client]] = {
    "plain": (SELECTING, WHOLE),
    "from newest": (
        reader(EVERYTHING, frozenset((Quirk.ENTRIES_FROM_NEWEST,))),
        reader(EVERYTHING & ~C.SELECTIVE_ACCESS, frozenset((Quirk.ENTRIES_FROM_NEWEST,))),
    ),
}
WANTED: list[list[Wanted] | None] = [
    None,
    [ENERGY.value],
    [CLOCK.time, ENERGY.scaler_unit.instance],
    [COLUMNS[2], COLUMNS[0]],
    ["0.0.1.0.0.255"],
    [COLUMNS[1], COLUMNS[2]],
]


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 25), st.integers(0, 25), st.sampled_from(WANTED))
def test_by_number(kind: str, first: int, last: int, columns: list[Wanted] | None) -> None:
    selecting, whole = KINDS[kind]
    by_meter = selecting.profile(PROFILE, entries=Entries(first, last), columns=columns)
    here = whole.profile(PROFILE, entries=Entries(first, last), columns=columns)
    assert here.rows() == by_meter.rows()
    assert here.columns == by_meter.columns
    assert here.names == by_meter.names


@given(st.one_of(st.none(), st.integers(-3, 23)), st.one_of(st.none(), st.integers(-3, 23)), st.sampled_from(WANTED))
def test_by_time(first: int | None, last: int | None, columns: list[Wanted] | None) -> None:
    span = [None if row is None else at(row) for row in (first, last)]
    by_meter, here = (client.profile(PROFILE, *span, columns=columns) for client in KINDS["plain"])
    assert here.rows() == by_meter.rows()
    assert here.columns == by_meter.columns
    low, high = 0 if first is None else max(first, 0), COUNT if last is None else max(last + 1, 0)
    assert len(here) == len(rows(COUNT)[low:high])
    if columns is None:
        assert here.rows() == rows(COUNT)[low:high]


@pytest.mark.parametrize("selects", [False, True])
@pytest.mark.parametrize("hdlc", [False, True])
def test_short_names(selects: bool, hdlc: bool) -> None:
    """Selection is a parameterized access there."""
    bits = short_name_meter.ALL if selects else short_name_meter.ALL & ~C.PARAMETERIZED_ACCESS
    request = AssociationRequest(context=ApplicationContext.SN, conformance=bits)
    client, _ = short_name_meter.client(short_name_meter.device(), request, hdlc=hdlc)
    profile, energy = short_name_meter.PROFILE, short_name_meter.ENERGY
    span = short_name_meter.at(3), short_name_meter.at(5)
    assert client.profile(profile, *span, columns=[energy.value]).rows() == [(1003,), (1004,), (1005,)]
    assert client.profile(profile, entries=Entries(4, 6)).rows() == client.profile(profile, *span).rows()
    assert len(client.profile(profile, entries=Entries(299))) == 2


def test_columns_by_number_have_their_names() -> None:
    for client in KINDS["plain"]:
        found = client.profile(PROFILE, entries=Entries(1, 2, 2, 2))
        assert found.rows() == [(1000,), (1001,)]
        assert found.names == ["1.0.1.8.0.255 [Wh]"]
        assert found.table()[0] == [10000]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": [ELSEWHERE]}, "captures no"),
        ({"columns": ["1.1.1.1.1.1"]}, "captures no 1.1.1.1.1.1"),
        ({"columns": []}, "no columns"),
        ({"entries": Entries(1, 0, 9)}, "no columns"),
        ({"entries": Entries(1, 0, 2), "columns": [ENERGY.value]}, "by number or by name"),
        ({"entries": Entries(1), "start": at(1)}, "not both"),
    ],
)
def test_what_cannot_be_asked_for(options: dict[str, Any], says: str) -> None:
    for client in KINDS["plain"]:
        with pytest.raises(LocalProtocolError, match=says):
            client.profile(PROFILE, **options)


def test_connect_and_select() -> None:
    with served(memory_name()) as url, connect(url, conformance=C.GET) as client:
        found = client.profile(PROFILE, entries=Entries(2, 3), columns=[ENERGY.value])
        assert found.rows() == [(1001,), (1002,)]


# --- meters that answer otherwise -------------------------------------------------------------------------------------


def parts(wanted: Selection, payload: bytes, *, selects: bool = False, period_s: Any = 900) -> list[Any]:
    """The rows that an answer leaves."""

    def answer(request: Request) -> Record:
        asked = request.apdu
        assert isinstance(asked, GetRequestNormal)
        if asked.attribute.attribute_id == PROFILE.capture_period.index:
            return request.replies[0](0, period_s)
        return GetResponseRaw(0, b"\0" + payload)

    operation = buffer(PROFILE, COLUMNS, wanted, LogicalNames(Negotiated()), selects=selects)
    return cosem_data.decode(run(operation, answer))  # type: ignore[no-any-return]


def run(operation: Any, answer: Callable[[Request], Record]) -> bytes:
    try:
        request = next(operation)
        while True:
            request = operation.send(answer(request))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


ROWS = rows(6)
PAYLOAD = cosem_data.encode(ROWS)


@pytest.mark.parametrize("wanted", [Selection(at(0), at(9), None, (0, 2)), Selection(None, None, Entries(1), (0, 2))])
def test_a_meter_that_gives_more_columns_than_it_was_asked_for(wanted: Selection) -> None:
    expected = [(row[0], row[2]) for row in ROWS]
    assert parts(wanted, PAYLOAD, selects=True) == expected
    assert parts(wanted, cosem_data.encode(expected), selects=True) == expected
    assert parts(wanted, cosem_data.encode([]), selects=True) == []
    with pytest.raises(RemoteProtocolError, match="rows of 5 columns, 2 of 3"):
        parts(wanted, cosem_data.encode([(*row, *row)[:5] for row in ROWS]), selects=True)
    with pytest.raises(RemoteProtocolError, match="was due"):
        parts(wanted, cosem_data.encode([(row[0],) for row in ROWS]), selects=True)


def test_times_that_are_left_out_are_written_out() -> None:
    """Null-data stands for the time before and the capture period; a row that is cut out must tell its own."""
    thin = [row if number in (0, 4) else (None, *row[1:]) for number, row in enumerate(ROWS)]
    assert parts(Selection(at(2), at(3)), cosem_data.encode(thin)) == ROWS[2:4]
    assert parts(Selection(entries=Entries(3, 3)), cosem_data.encode(thin)) == [ROWS[2]]
    assert parts(Selection(), cosem_data.encode(thin)) == thin
    unknown = [(None, *row[1:]) for row in ROWS]
    assert parts(Selection(at(0), at(9)), cosem_data.encode(unknown)) == []
    assert parts(Selection(at(0), at(9)), cosem_data.encode(thin), period_s="text") == [ROWS[0], *[ROWS[4]]]


def test_a_time_keeps_what_it_says_of_itself() -> None:
    start = bytes.fromhex("07e8 02 1d ff 17 37 00 ff 003c 80")
    later = bytes.fromhex("07e8 03 01 ff 00 0a 00 ff 003c 80")
    held = [(start, DoubleLongUnsigned(1), Integer(0)), (None, DoubleLongUnsigned(2), Integer(0))]
    assert parts(Selection(entries=Entries(2)), cosem_data.encode(held))[0][0] == later
    monday = DateTime.of(datetime.datetime(2024, 1, 1, 23, 55)).raw
    held = [(monday, *held[0][1:]), held[1]]
    assert parts(Selection(entries=Entries(2)), cosem_data.encode(held))[0][0][:8].hex() == "07e80102" + "02000a00"


def test_a_compact_array() -> None:
    row = StructureType((ScalarType(9), ScalarType(6), ScalarType(15)))
    compact = cosem_data.encode(CompactArray.of(row, ROWS))
    assert parts(Selection(at(1), at(2)), compact) == ROWS[1:3]
    assert parts(Selection(at(0), at(9), None, (0, 2)), compact, selects=True) == [(one[0], one[2]) for one in ROWS]
