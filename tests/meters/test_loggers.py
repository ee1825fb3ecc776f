"""The buffers of a virtual meter: rows, selections, blocks, and rows that go away while somebody reads."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from dlms import data as cosem_data
from dlms.apdu.attribute import SelectiveAccess
from dlms.apdu.get import GetRequestNext, GetRequestNormal, GetResponseWithDatablock
from dlms.cosem_time import DateTime
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.ic import ProfileGeneric
from dlms.ic.measurement import BY_RANGE
from dlms.operations import Operation, Request
from dlms.operations.profiles import Entries, by_entry
from dlms.operations.read import descriptor
from dlms.types import DoubleLongUnsigned, Integer, LongUnsigned
from meters.buffers import EventRows, Stamping
from meters.engine import EraseLog, Event, LogName, PowerFail, SetClockOffset
from meters.engine.events import LOGGER_OF
from meters.kamstrup.k382 import MODEL
from meters.local_time import octets
from meters.objects import EventLog
from tests.meters.wired import WINTER, Line, emulator

PROFILE = ProfileGeneric("1.1.99.1.0.255")
CLOCK_COLUMN = (LongUnsigned(8), bytes((0, 1, 1, 0, 0, 255)), Integer(2), LongUnsigned(0))


def by_range(start: str, end: str, columns: list[Any] | None = None) -> SelectiveAccess:
    """Rows between two times of normal time, such as "2026-01-14 12:00:00"."""
    bounds = (bytes(DateTime.parse(text)) for text in (start, end))
    return SelectiveAccess(BY_RANGE, (CLOCK_COLUMN, *bounds, columns or []))


def clock_times(rows: list[Any]) -> list[str]:
    """Hour and minute of each row."""
    return [f"{row[0][5]:02}:{row[0][6]:02}" for row in rows]


@pytest.fixture(scope="module")
def line() -> Line:
    return Line(emulator())


def test_a_row_of_the_load_profile_octet_by_octet(line: Line) -> None:
    """1 kW and 200 var on three phases: 750 Wh and 150 varh in the first quarter of the hour, in 10 Wh."""
    (row,) = line.get(PROFILE.buffer, by_entry(Entries(95, 95)))
    assert cosem_data.encode(row).hex() == (
        "0208" "090c07ea010e03000f00ff800000" "120000" "0600000000" "0f01"
        "060000004b" "0600000000" "060000000f" "0600000000"
    )  # fmt: skip


def test_capture_objects_name_their_own_logger_with_signed_indices(line: Line) -> None:
    captured = line.get(PROFILE.capture_objects)
    assert [(int(c), o.hex(), int(a)) for c, o, a, _ in captured[:4]] == [
        (8, "0001010000ff", 2),
        (7, "0101630100ff", -1),
        (7, "0101630100ff", -2),
        (1, "0101860001ff", 2),
    ]
    encoded = cosem_data.encode(captured[1])
    assert encoded.hex() == "020412000709060101630100ff0fff120000"
    assert [str(MODEL.by_obis[o].obis) for _, o, _, _ in captured[4:]] == [f"1.1.{c}.8.0.255" for c in (1, 2, 3, 4)]


def test_a_day_has_96_rows_and_energies_only_rise(line: Line) -> None:
    rows = line.get(PROFILE.buffer)
    assert len(rows) == 96
    assert [row[4] for row in rows] == [75 * number for number in range(1, 97)]
    assert (rows[0][0].hex(), rows[-1][0].hex()) == ("07ea010e03000f00ff800000", "07ea010f04000000ff800000")


def test_selection_by_range_includes_both_ends(line: Line) -> None:
    rows = line.get(PROFILE.buffer, by_range("2026-01-14 12:00:00", "2026-01-14 13:00:00"))
    assert clock_times(rows) == ["12:00", "12:15", "12:30", "12:45", "13:00"]
    assert line.get(PROFILE.buffer, by_range("2026-01-16 00:00:00", "2026-01-17 00:00:00")) == []
    assert line.get(PROFILE.buffer, by_range("2026-01-14 13:00:00", "2026-01-14 12:00:00")) == []
    assert len(line.get(PROFILE.buffer, by_range("2026-01-14 ??:??:??", "2026-01-14 ??:??:??"))) == 95


def test_columns_that_are_not_neighbours(line: Line) -> None:
    columns = line.get(PROFILE.capture_objects)
    asked = by_range("2026-01-14 12:00:00", "2026-01-14 12:15:00", [columns[4], columns[0]])
    assert [(row[0], row[1][5:7]) for row in line.get(PROFILE.buffer, asked)] == [
        (3600, b"\x0c\x00"),
        (3675, b"\x0c\x0f"),
    ]


def test_columns_of_a_selection(line: Line) -> None:
    columns = line.get(PROFILE.capture_objects)
    rows = line.get(PROFILE.buffer, by_range("2026-01-14 12:00:00", "2026-01-14 12:15:00", columns[4:6]))
    assert rows == [(3600, 0), (3675, 0)]
    assert [len(row) for row in line.get(PROFILE.buffer, by_entry(Entries(0, 1, 1, 2)))] == [2, 2]


def test_entries_count_from_the_newest(line: Line) -> None:
    assert clock_times(line.get(PROFILE.buffer, by_entry(Entries(0, 2)))) == ["00:00", "23:45", "23:30"]
    assert clock_times(line.get(PROFILE.buffer, by_entry(Entries(1, 3)))) == ["23:45", "23:30", "23:15"]
    assert clock_times(line.get(PROFILE.buffer, by_entry(Entries(2, 0)))) == ["23:30", "23:45", "00:00"]
    assert len(line.get(PROFILE.buffer, by_entry(Entries(1000, 0)))) == 96


def test_event_loggers_are_selected_too() -> None:
    meters = emulator()
    for minutes in (10, 20, 30):
        meters.engine.command(0, SetClockOffset(60 * minutes))
    line, log = Line(meters), ProfileGeneric("1.1.99.98.3.255")
    assert clock_times(line.get(log.buffer)) == ["00:10", "00:20", "00:30"]
    assert clock_times(line.get(log.buffer, by_entry(Entries(0, 1)))) == ["00:30", "00:20"]
    assert clock_times(line.get(log.buffer, by_range("2026-01-15 00:15:00", "2026-01-15 00:25:00"))) == ["00:20"]
    assert [len(row) for row in line.get(log.buffer, by_entry(Entries(0, 5, 2, 3)))] == [2, 2, 2]


@pytest.mark.parametrize("log", MODEL.logs, ids=lambda log: log.key)
def test_every_logger_is_read_whole(line: Line, log: Any) -> None:
    of = ProfileGeneric(log.obis)
    rows = line.get(of.buffer)
    assert len(rows) == line.get(of.entries_in_use)
    columns = MODEL.columns(log)
    for row in rows:
        assert [column.type.check(value) for column, value in zip(columns, row, strict=True)] == [True] * len(columns)


def test_blocks_hold_whole_rows_and_long_lengths(line: Line) -> None:
    blocks = line.operate(raw_blocks())
    assert [len(block) for block in blocks[:-1]] == [2 + 460] + [460] * (len(blocks) - 2)
    assert all(len(block) % 46 == 0 for block in blocks[1:])


def raw_blocks(pause: Any = None) -> Operation[list[bytes]]:
    """The buffer as the blocks that come; `pause` is called behind the first."""
    found: list[bytes] = []
    reply = yield Request(GetRequestNormal(0, descriptor(PROFILE.buffer), None), (GetResponseWithDatablock,))
    while isinstance(reply, GetResponseWithDatablock):
        if not isinstance(reply.block.result, bytes):
            raise AccessError(reply.block.result.result)
        found.append(reply.block.result)
        if reply.block.last_block:
            return found
        if pause is not None and len(found) == 1:
            pause()
        reply = yield Request(GetRequestNext(0, len(found)), (GetResponseWithDatablock,))
    raise AssertionError("no block")


def test_rows_keep_their_numbers_while_others_come() -> None:
    meters = emulator()
    blocks = Line(meters).operate(raw_blocks(lambda: meters.advance_to(WINTER + 3600)))
    rows = cosem_data.decode(b"".join(blocks))
    assert clock_times(rows[-1:]) == ["00:00"]
    assert len(rows) == 96


def test_rows_that_are_erased_meanwhile_end_the_transfer() -> None:
    meters = emulator()
    with pytest.raises(AccessError) as refused:
        Line(meters).operate(raw_blocks(lambda: meters.engine.command(0, EraseLog(LogName.LOAD_PROFILE))))
    assert refused.value.result == AccessResult.LONG_GET_ABORTED


def test_a_clock_set_back_leaves_no_foreign_rows_in_a_range() -> None:
    meters = emulator(days=0.25)
    meters.engine.command(0, SetClockOffset(-1800))
    meters.advance_to(WINTER + 3600)
    line = Line(meters)
    rows = line.get(PROFILE.buffer, by_range("2026-01-14 23:50:00", "2026-01-15 00:10:00"))
    assert clock_times(rows) == ["00:00", "00:00"]
    between = line.get(PROFILE.buffer, by_range("2026-01-14 23:40:00", "2026-01-14 23:50:00"))
    assert clock_times(between) == ["23:45", "23:45"]


def test_an_outage_leaves_a_gap_and_marks_the_row_behind_it() -> None:
    meters = emulator(days=0.25)
    meters.engine.command(0, PowerFail(True))
    meters.advance_to(WINTER + 1800)
    meters.engine.command(0, PowerFail(False))
    meters.advance_to(WINTER + 3600)
    rows = Line(meters).get(PROFILE.buffer, by_range("2026-01-15 00:00:00", "2026-01-15 02:00:00"))
    assert clock_times(rows) == ["00:00", "00:45", "01:00"]
    assert [(int(row[1]), int(row[2])) for row in rows] == [(0, 0), (1 << 6, 1 << 10), (0, 0)]


@pytest.mark.parametrize(
    "access",
    [
        SelectiveAccess(3, None),
        SelectiveAccess(BY_RANGE, None),
        SelectiveAccess(BY_RANGE, (CLOCK_COLUMN, b"", b"", [])),
        SelectiveAccess(BY_RANGE, (CLOCK_COLUMN, octets(0, 0), b"\x07\xea\xff\x01" + b"\xff" * 8, [])),
        SelectiveAccess(BY_RANGE, ((LongUnsigned(3), *CLOCK_COLUMN[1:]), octets(0, 0), octets(0, 0), [])),
        by_entry(Entries(0, 1, 9, 9)),
    ],
)
def test_selections_that_cannot_be_made(line: Line, access: SelectiveAccess) -> None:
    with pytest.raises(AccessError):
        line.get(PROFILE.buffer, access)


def test_depths_and_order_are_told(line: Line) -> None:
    depths = {log.key: line.get(ProfileGeneric(log.obis).profile_entries) for log in MODEL.logs}
    assert depths["load_profile"] == 130 * 96
    assert (depths["billing"], depths["billing_2"], depths["events.load_profile"]) == (36, 45, 10)
    assert {line.get(ProfileGeneric(log.obis).sort_method) for log in MODEL.logs} == {1}
    assert line.get(ProfileGeneric("1.1.98.1.0.255").capture_period) == DoubleLongUnsigned(0)
    assert datetime.timedelta(seconds=line.get(PROFILE.capture_period)) == datetime.timedelta(minutes=15)


def test_every_kind_of_event_has_a_row_in_its_logger() -> None:
    """Whatever the engine may note, the columns of the logger that it belongs to can show it."""
    logs = {log.logger: log for log in MODEL.logs if isinstance(log, EventLog)}
    for kind, logger in LOGGER_OF.items():
        begin, end = ((number, WINTER, kind, number == 1, 2, WINTER - 60, 4, 230.4, 260.0, 200.0) for number in (1, 2))
        lines = [Event(*begin), Event(*end)]
        log = logs[logger]
        rows = EventRows(lines, log.columns, Stamping(3600, True))
        for encoded in rows.encode(rows.span(), None):
            for column, value in zip(log.columns, cosem_data.decode(encoded), strict=True):
                assert column.type.check(value), (kind, column)
