"""Profiles on the server: selection by range and by entry, whole rows in a block, and selections that make no sense."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import data as cosem_data
from dlms.apdu import (
    GetRequestNormal,
    GetResponseNormal,
)
from dlms.apdu.attribute import (
    SelectiveAccess,
)
from dlms.codec import DataValue, Record, Refusal
from dlms.data import DoubleLongUnsigned, Float32, Integer, Long64, LongUnsigned, Unsigned
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.operations.profiles import Column, Entries, by_entry, by_range
from dlms.operations.read import descriptor
from dlms.quirks import Quirk
from dlms.server import MemoryRows
from tests.dlms import data_values
from tests.dlms.server.devices import (
    CLOCK,
    LONG,
    PROFILE,
    Dialogue,
    at,
    device,
    rows,
    store,
)

R = AccessResult


def refusal(answer: Record) -> int:
    assert isinstance(answer, GetResponseNormal)
    assert isinstance(answer.result, Refusal)
    return answer.result.result


CLOCK_COLUMN = Column(8, CLOCK.instance, 2, 0)


def select(access: SelectiveAccess, quirks: tuple[Quirk, ...] = (), count: int = 20) -> Any:
    """The rows that a selection gives, or the code of the refusal."""
    dialogue = Dialogue(device(store(count), quirks=quirks)).open()
    answer = dialogue.get(PROFILE.buffer, access)
    assert isinstance(answer, GetResponseNormal)
    return answer.result.result if isinstance(answer.result, Refusal) else answer.result


def test_by_range() -> None:
    everything = rows(20)
    assert select(by_range(CLOCK_COLUMN, at(0), at(19))) == everything
    assert select(by_range(CLOCK_COLUMN, at(3), at(5))) == everything[3:6]
    assert select(by_range(CLOCK_COLUMN, at(-9), at(-1))) == []
    assert select(by_range(CLOCK_COLUMN, at(5), at(3))) == []


def selected_columns(*places: int) -> SelectiveAccess:
    captured: Any = store().get(PROFILE.capture_objects)
    access = by_range(CLOCK_COLUMN, at(3), at(4))
    return SelectiveAccess(1, (*access.parameters[:3], [captured[place] for place in places]))


def test_by_range_with_columns() -> None:
    assert select(selected_columns(0, 1)) == [row[:2] for row in rows(20)[3:5]]
    assert select(selected_columns(2)) == [row[2:] for row in rows(20)[3:5]]
    assert select(selected_columns(2, 0)) == [(row[2], row[0]) for row in rows(20)[3:5]]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (Entries(1, 20), slice(0, 20)),
        (Entries(1, 0), slice(0, 20)),
        (Entries(5, 7), slice(4, 7)),
        (Entries(15, 0), slice(14, 20)),
        (Entries(15, 99), slice(14, 20)),
        (Entries(21, 30), slice(0, 0)),
        (Entries(7, 5), slice(0, 0)),
        (Entries(0, 2), slice(0, 2)),
    ],
)
def test_by_entry(entries: Entries, expected: slice) -> None:
    assert select(by_entry(entries)) == rows(20)[expected]


def test_by_entry_with_columns() -> None:
    assert select(by_entry(Entries(1, 2, 2, 3))) == [row[1:] for row in rows(2)]
    assert select(by_entry(Entries(1, 2, 1, 1))) == [row[:1] for row in rows(2)]
    assert select(by_entry(Entries(1, 2, 2, 0))) == [row[1:] for row in rows(2)]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((0, 2), [19, 18, 17]),
        ((2, 0), [17, 18, 19]),
        ((5, 5), [14]),
        ((18, 40), [1, 0]),
        ((40, 18), [0, 1]),
        ((30, 25), []),
    ],
)
def test_entries_from_the_newest(entries: tuple[int, int], expected: list[int]) -> None:
    found = select(by_entry(Entries(*entries)), (Quirk.ENTRIES_FROM_NEWEST,))
    assert found == [rows(20)[index] for index in expected]


HUGE = Long64(2**63 - 1)
ODD_PARAMETERS: list[Any] = [
    None,
    (),
    (Float32(math.inf),) * 4,
    (Float32(math.nan),) * 4,
    (None,) * 4,
    (b"", b"", b"", b""),
    ((), b"", b"", []),
    ((LongUnsigned(8), b"", Integer(2), LongUnsigned(0)), "text of 12 c", at(1), []),
    ((LongUnsigned(8), b"", Integer(2), LongUnsigned(0)), at(0), at(1), [None]),
    ((LongUnsigned(8), b"", Integer(2), LongUnsigned(0)), at(0), at(1), Unsigned(7)),
    ((LongUnsigned(8), b"", Integer(2), LongUnsigned(0)), [Unsigned(1)] * 12, at(1), []),
    (Long64(-(2**63)), Long64(-1), HUGE, HUGE),
    (Unsigned(1), Unsigned(0), Unsigned(1), HUGE),
    (Unsigned(1), Unsigned(0), Long64(-1), Long64(-1)),
]


@pytest.mark.parametrize("parameters", ODD_PARAMETERS, ids=repr)
@pytest.mark.parametrize("selector", [0, 1, 2, 3, 255])
@pytest.mark.parametrize("quirks", [(), (Quirk.ENTRIES_FROM_NEWEST,)], ids=["standard", "newest"])
def test_odd_selections_are_answered(parameters: Any, selector: int, quirks: tuple[Quirk, ...]) -> None:
    found = select(SelectiveAccess(selector, parameters), quirks)
    assert isinstance(found, int | list)


@given(st.integers(0, 3), data_values.values)
def test_any_selection_is_answered(selector: int, parameters: Any) -> None:
    found = select(SelectiveAccess(selector, parameters))
    assert isinstance(found, int | list)


def test_entries_in_use_are_counted() -> None:
    assert Dialogue(device(store(17))).open().get(PROFILE.entries_in_use) == GetResponseNormal(
        0xC1, DoubleLongUnsigned(17)
    )


def test_a_buffer_that_is_a_plain_value() -> None:
    held = store()
    held.put(PROFILE.buffer, [(Unsigned(1),)])
    dialogue = Dialogue(device(held)).open()
    assert dialogue.get(PROFILE.buffer) == GetResponseNormal(0xC1, [(Unsigned(1),)])
    assert refusal(dialogue.get(PROFILE.buffer, by_entry(Entries(1)))) == R.SCOPE_OF_ACCESS_VIOLATED


@given(size=st.integers(40, 300), long=st.booleans())
def test_blocks_of_whole_rows(size: int, long: bool) -> None:
    quirks = {Quirk.WHOLE_ROW_BLOCKS} | ({Quirk.LONG_BLOCK_LENGTH} if long else set())
    dialogue = Dialogue(device(store(50), quirks=quirks)).open(max_receive=size)
    whole, pieces = dialogue.collect(dialogue.get(PROFILE.buffer))
    assert cosem_data.decode(whole) == rows(50)
    width = len(cosem_data.encode(rows(1)[0]))
    assert all(
        (len(piece) - 2) % width == 0 if place == 0 else len(piece) % width == 0 for place, piece in enumerate(pieces)
    )


def test_lengths_of_three_octets() -> None:
    dialogue = Dialogue(device(quirks=(Quirk.LONG_BLOCK_LENGTH,))).open(max_receive=60)
    answer = dialogue.say(GetRequestNormal(0xC1, descriptor(LONG.value)))
    assert answer is not None
    assert answer[8:12].hex() == "0082" + (60 - 12).to_bytes(2, "big").hex()
    assert len(answer) == 60


def test_rows_in_memory() -> None:
    held = MemoryRows(rows(5))
    assert held.span() == range(5)
    assert held.find(at(1), at(3)) == range(1, 4)
    assert DataValue().decode(held.encode([4], None)[0], 0)[0] == rows(5)[4]
    with pytest.raises(AccessError):
        held.encode(range(4, 6), None)
