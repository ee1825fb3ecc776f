"""A whole session of our own, of the shape of Kamstrup's published ones: every frame of both sides built by a second codec.

Serial number, addresses (four octets, physical 37), password, values and times differ from the published exchanges; the
expected values follow from the load: 1 kW and 200 var on each of three phases.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from dlms.server import Session
from meters.emulator import Emulator, hdlc_framing
from meters.kamstrup.k382 import MODEL
from tests.hdlc import construct_codec
from tests.meters.wired import emulator
from tests.vectors import construct_apdus as c

METER = 5
SERIAL = 40_302_010
NUMBER = SERIAL + METER
FIRST = datetime.datetime(2026, 1, 14, 6, 0)
COUNT = 25
ROWS_IN_A_BLOCK = 10
SERVER, CLIENT = bytes((0x00, 0x20, 0x00, 0x4B)), bytes((0x27,))
"""Upper 16 and lower 37 in four octets; client 19."""
PROPOSED, GRANTED = 0x00FE1F, 0x00101C
NEGOTIATION = "818014050202000602{received:04x}070400000001080400000001"
INVOKE = 0xC1

Frames = Iterator[tuple[bytes, bytes]]


class Writer:
    """Frames of a session, numbered as HDLC numbers them."""

    def __init__(self) -> None:
        self.sent = 0

    def pair(self, asked: bytes, answered: bytes) -> tuple[bytes, bytes]:
        """I frames of a request and its answer."""
        number, self.sent = self.sent % 8, self.sent + 1
        request = number << 5 | 0x10 | number << 1
        response = (number + 1) % 8 << 5 | 0x10 | number << 1
        return (
            construct_codec.build(SERVER, CLIENT, request, c.REQUEST_LLC + asked, segmented=False),
            construct_codec.build(CLIENT, SERVER, response, c.RESPONSE_LLC + answered, segmented=False),
        )


def unnumbered(control: int, answer: int, asked: str = "", answered: str = "") -> tuple[bytes, bytes]:
    """A command of the link and its answer."""
    return (
        construct_codec.build(SERVER, CLIENT, control, bytes.fromhex(asked), segmented=False),
        construct_codec.build(CLIENT, SERVER, answer, bytes.fromhex(answered), segmented=False),
    )


def attribute(class_id: int, instance: str, index: int = 2) -> dict[str, object]:
    """The fields of an attribute's name."""
    return {"class_id": class_id, "instance": bytes.fromhex(instance), "index": index}


def get(name: dict[str, object], selection: bytes = b"\x00") -> bytes:
    """GET of one attribute."""
    built: bytes = c.GET_NORMAL.build({"invoke": INVOKE, "attribute": name, "selection": selection})
    return built


def rows() -> list[bytes]:
    """The load profile of the range: a quarter of an hour at 3 kW is 75 times 10 Wh, at 600 var 15 times 10 varh."""
    found = []
    for place in range(COUNT):
        moment = FIRST + place * datetime.timedelta(minutes=15)
        quarter = moment.hour * 4 + moment.minute // 15
        registers = [{"value": value} for value in (75 * quarter, 0, 15 * quarter, 0)]
        fields = {"time": c.clock(moment), "status": 0, "quality": 0, "exponent": 1, "registers": registers}
        found.append(c.ROW.build(fields))
    return found


def profile(write: Writer) -> Frames:
    """GET of the load profile by range, in blocks of whole rows."""
    last = FIRST + (COUNT - 1) * datetime.timedelta(minutes=15)
    selection = c.BY_RANGE.build({"first": c.clock(FIRST), "last": c.clock(last)})
    asked = get(attribute(7, "0101630100ff"), selection)
    encoded = rows()
    blocks = [encoded[start : start + ROWS_IN_A_BLOCK] for start in range(0, COUNT, ROWS_IN_A_BLOCK)]
    for number, block in enumerate(blocks, 1):
        raw = (bytes((1, COUNT)) if number == 1 else b"") + b"".join(block)
        fields = {"invoke": INVOKE, "last": number == len(blocks), "number": number, "raw": raw}
        yield write.pair(asked, c.GET_BLOCK.build(fields))
        asked = c.GET_NEXT.build({"invoke": INVOKE, "number": number})


def registers(write: Writer) -> Frames:
    """Values of one frame: the meter number, a refusal, a write and what it changed."""
    number = c.UNSIGNED_32.build({"value": NUMBER})
    yield write.pair(get(attribute(1, "0101000001ff")), c.GET_RESULT.build({"invoke": INVOKE, "value": number}))
    yield write.pair(get(attribute(1, "0101000004ff")), c.GET_REFUSAL.build({"invoke": INVOKE, "result": 4}))
    special = attribute(1, "0101008201ff")
    value = c.UNSIGNED_32.build({"value": 4711})
    written = c.SET_NORMAL.build({"invoke": INVOKE, "attribute": special, "value": value})
    yield write.pair(written, c.SET_RESULT.build({"invoke": INVOKE, "result": 0}))
    yield write.pair(get(special), c.GET_RESULT.build({"invoke": INVOKE, "value": value}))
    energy = c.UNSIGNED_32.build({"value": 96 * 75})
    yield write.pair(get(attribute(3, "0101010800ff")), c.GET_RESULT.build({"invoke": INVOKE, "value": energy}))


def exchange() -> Frames:
    """All frames of the session: (client's, server's)."""
    yield unnumbered(0x93, 0x73, NEGOTIATION.format(received=0x200), NEGOTIATION.format(received=0x80))
    write = Writer()
    yield write.pair(c.aarq(PROPOSED, 0x0CFF, b"12345"), c.aare(GRANTED, 125))
    yield from registers(write)
    yield from profile(write)
    yield unnumbered(0x53, 0x73)


@pytest.fixture(scope="module")
def meters() -> Emulator:
    return emulator(count=METER + 1, nameplate=MODEL.nameplate.numbered(SERIAL))


def test_the_server_answers_frame_by_frame(meters: Emulator) -> None:
    devices = meters.devices()
    session = Session(devices, hdlc_framing(MODEL, frozenset(devices)))
    pairs = list(exchange())
    assert len(pairs) == 1 + 1 + 5 + 3 + 1
    for asked, answered in pairs:
        session.receive_data(asked, 0.0)
        assert b"".join(session.data_to_send()).hex() == answered.hex()


def test_the_server_answers_octet_by_octet(meters: Emulator) -> None:
    devices = meters.devices()
    session = Session(devices, hdlc_framing(MODEL, frozenset(devices)))
    for asked, answered in exchange():
        for octet in asked:
            assert not session.data_to_send()
            session.receive_data(bytes((octet,)), 0.0)
        assert b"".join(session.data_to_send()).hex() == answered.hex()


def test_the_frames_are_sound() -> None:
    """The second codec reads back what it built, checks included."""
    for pair in exchange():
        for frame in pair:
            assert construct_codec.parse(frame).format.length == len(frame) - 2
