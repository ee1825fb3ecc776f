"""The server's half of Kamstrup's published exchanges: to the printed client frames it answers exactly the printed ones.

Frames are compared after reading them with `hdlc`: two printed ones carry a stray octet behind the closing flag.

Of the second exchange only blocks 1, 2 and 7 of seven are printed.  It runs whole here, with two things that the test
brings and no product code does: the announced count of rows is 59, as printed, although seven blocks of ten rows (two in
the last) hold 62; and the rows of the unprinted blocks 3 to 6, with the client frames that fetch them, are the test's own.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import numpy as np
import pytest

from dlms.rows import decode_rows
from dlms.server import Session
from dlms.server.objects import profile_generic
from dlms.server.transfer import Selected
from hdlc import Address, Frame, FrameReader, Kind
from meters.emulator import Emulator, hdlc_framing
from meters.engine import Flag, LogName
from meters.kamstrup.k382 import MODEL
from meters.scenario import Constant
from tests.vectors.shared import records

pytestmark = pytest.mark.vectors

METER_NUMBER = 12345679
MIDNIGHT = int(datetime.datetime(2013, 10, 24, 22, tzinfo=datetime.UTC).timestamp()) + 3600
"""2013-10-25 00:00 on a clock of UTC+1, at which the printed rows begin."""
PERIOD_S = 900
PRINTED_COUNT = 59
ROWS = 62
BLOCK_HEAD = 3 + 12
"""LLC octets, and what is in front of the raw data of a block with a length of three octets."""
QUALITY = {0x500: Flag.UNDER_VOLTAGE | Flag.POWER_OUTAGE, 0: Flag(0)}


def only_frame(octets: bytes) -> Frame:
    """The one frame in what is printed."""
    reader = FrameReader()
    reader.feed(octets)
    frame = reader.next_frame()
    assert frame is not None
    assert reader.next_frame() is None
    return frame


def session(name: str) -> list[tuple[Frame, Frame]]:
    """(client frame, server frame) pairs of a published session."""
    (record,) = (r for r in records("kamstrup_documented") if r["kind"] == "session" and name in r["source"])
    frames = [only_frame(bytes.fromhex(one["hex"])) for one in record["frames"]]
    assert [one["dir"] for one in record["frames"]] == ["C->S", "S->C"] * (len(frames) // 2)
    return list(zip(frames[::2], frames[1::2], strict=True))


class Server:
    """A virtual 382 that is given frames and answers with one frame each."""

    def __init__(self, emulator: Emulator) -> None:
        devices = emulator.devices()
        self.session = Session(devices, hdlc_framing(emulator.model, frozenset(devices)))

    def answer(self, frame: Frame) -> Frame:
        """Give it a client's frame, take its answer."""
        self.session.receive_data(frame.encode(), 0.0)
        return only_frame(b"".join(self.session.data_to_send()))


def meter() -> Emulator:
    """A 382 whose clock stands at the end of the printed day."""
    plate = dataclasses.replace(MODEL.nameplate, meter_number=METER_NUMBER)
    emulator = Emulator(MODEL, Constant(), MIDNIGHT - PERIOD_S, nameplate=plate, speed=0)
    emulator.begin(MIDNIGHT + 20 * 3600)
    return emulator


def test_public_association() -> None:
    exchange = session("public association")
    server = Server(meter())
    for asked, printed in exchange:
        assert server.answer(asked).encode().hex() == printed.encode().hex()
    assert len(exchange) == 4


def printed_rows(frame: Frame) -> list[tuple[Any, ...]]:
    """The rows of one printed block."""
    raw = frame.info[BLOCK_HEAD:]
    if raw[:1] == b"\x01":
        raw = raw[2:]
    return decode_rows(bytes((1, len(raw) // 46)) + raw).rows


def fill(emulator: Emulator, rows: dict[int, tuple[Any, ...]]) -> None:
    """Write 62 rows into the load profile of the engine: those given by their place, the test's own between them."""
    emulator.engine.advance(emulator.engine.now_s)
    (tile,) = emulator.engine.tiles
    ring, at = tile.logs[LogName.LOAD_PROFILE].ring, np.array([0])
    ring.erase(at)
    for place in range(ROWS):
        _, status, quality, exponent, *registers = rows.get(place, (b"", 0, 0, 1, 1000 + place, 0, 0, place))
        assert (status, exponent) == (0, 1)
        time_s = np.array([MIDNIGHT + place * PERIOD_S])
        flags = np.array([QUALITY[quality]], np.uint32)
        ring.append(at, time_s, flags, [np.array([value]) for value in registers])


class Announcing59(Selected):
    """The rows behind the count that is printed in front of them."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        assert self._pieces == [bytes((1, ROWS))]
        self._pieces = [bytes((1, PRINTED_COUNT))]


def next_block(number: int, sequence: int) -> Frame:
    """The client's frame that asks for the block behind `number`, as the printed ones do."""
    info = bytes.fromhex("e6e600c00281") + number.to_bytes(4, "big")
    return Frame(Kind.I, Address(16), Address(18), info, sequence % 8, sequence % 8)


def test_load_profile_by_range(monkeypatch: pytest.MonkeyPatch) -> None:
    snrm, aarq, get, second, seventh, disc = session("LLS association")
    emulator = meter()
    printed = printed_rows(get[1]) + printed_rows(second[1])
    assert len(printed) == 20
    last = printed_rows(seventh[1])
    fill(emulator, dict(enumerate(printed)) | {60: last[0], 61: last[1]})
    monkeypatch.setattr(profile_generic, "Selected", Announcing59)
    server = Server(emulator)
    for asked, answered in (snrm, aarq, get, second):
        assert server.answer(asked).encode().hex() == answered.encode().hex()
    assert next_block(1, 2) == second[0]
    for number in (3, 4, 5, 6):
        own = server.answer(next_block(number - 1, number))
        first = 10 * (number - 1)
        assert [row[4] for row in printed_rows(own)] == [1000 + place for place in range(first, first + 10)]
    assert next_block(6, 7) == seventh[0]
    for asked, answered in (seventh, disc):
        assert server.answer(asked).encode().hex() == answered.encode().hex()


def test_the_count_is_true_without_the_override() -> None:
    snrm, aarq, get, *_ = session("LLS association")
    emulator = meter()
    fill(emulator, {})
    server = Server(emulator)
    first = [server.answer(asked) for asked, _ in (snrm, aarq, get)][-1]
    assert first.info[BLOCK_HEAD : BLOCK_HEAD + 2] == bytes((1, ROWS))
