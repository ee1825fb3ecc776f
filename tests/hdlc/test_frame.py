"""Frames: every kind, against a second codec, and everything that is no frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdlc.address import Address
from hdlc.errors import Fault, FrameError
from hdlc.fcs import fcs_octets
from hdlc.frame import CONTROL_OCTETS, CONTROLS, Frame, Kind, decode_frame, decode_header
from tests.hdlc import construct_codec
from tests.hdlc.strategies import frames

CLIENT, SERVER = Address(16), Address(1)

PUBLISHED = [
    (Kind.SNRM, 0x93, {}),
    (Kind.DISC, 0x53, {}),
    (Kind.UA, 0x73, {}),
    (Kind.DM, 0x1F, {}),
    (Kind.FRMR, 0x97, {}),
    (Kind.UI, 0x13, {}),
    (Kind.UI, 0x03, {"poll_final": False}),
    (Kind.RR, 0x31, {"receive_sequence": 1}),
    (Kind.RNR, 0xF5, {"receive_sequence": 7}),
    (Kind.I, 0x10, {}),
    (Kind.I, 0x52, {"send_sequence": 1, "receive_sequence": 2}),
    (Kind.I, 0xFE, {"send_sequence": 7, "receive_sequence": 7}),
]


@pytest.mark.parametrize(("kind", "octet", "fields"), PUBLISHED)
def test_control_octets(kind: Kind, octet: int, fields: dict[str, int]) -> None:
    frame = Frame(kind, SERVER, CLIENT, **fields)  # type: ignore[arg-type]
    assert frame.control == octet
    assert decode_frame(frame.encode()[1:-1]) == frame


def test_every_control_octet_means_one_thing() -> None:
    known = [octet for octet in range(256) if CONTROLS[octet][0] is not Kind.UNKNOWN]
    assert len(known) == 128 + 2 * 16 + 6 * 2
    assert [CONTROL_OCTETS[CONTROLS[octet]][0] for octet in known] == known


def test_without_information_there_is_no_header_check() -> None:
    assert Frame(Kind.DISC, SERVER, CLIENT).encode().hex() == "7ea00703215303c77e"
    assert len(Frame(Kind.DISC, SERVER, CLIENT, b"\0").encode()) == 9 + 3


@given(frames())
def test_against_the_second_codec(frame: Frame) -> None:
    octets = frame.encode()
    fields = construct_codec.parse(octets)
    assert bytes(fields.destination) == frame.destination.encode()
    assert bytes(fields.source) == frame.source.encode()
    assert fields.control == frame.control
    assert (fields.info or b"") == frame.info
    assert fields.format.segmented is frame.segmented
    assert octets == construct_codec.build(
        frame.destination.encode(), frame.source.encode(), frame.control, frame.info, frame.segmented
    )
    assert decode_frame(octets[1:-1]) == frame


@given(frames(), st.data())
def test_one_wrong_octet_is_never_a_frame(frame: Frame, data: st.DataObject) -> None:
    body = bytearray(frame.encode()[1:-1])
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        decode_frame(bytes(body))


@given(frames(max_info=30))
def test_truncated_and_extended(frame: Frame) -> None:
    body = frame.encode()[1:-1]
    for size in range(len(body)):
        with pytest.raises(FrameError):
            decode_frame(body[:size])
    with pytest.raises(FrameError):
        decode_frame(body + b"\0")


@given(st.binary(max_size=40), st.booleans())
def test_any_octets_give_a_frame_or_our_error(octets: bytes, plausible: bool) -> None:
    if plausible:
        octets = (0xA000 | len(octets) + 4).to_bytes(2, "big") + octets
        octets += fcs_octets(octets)
    try:
        frame = decode_frame(octets)
    except FrameError as caught:
        fault: FrameError | None = caught
    else:
        fault = None
        assert frame.encode()[1:-1] == octets or not frame.info
    assert fault is None or str(fault)


GOOD = Frame(Kind.I, SERVER, CLIENT, b"information").encode()[1:-1]


@pytest.mark.parametrize(
    ("body", "fault", "offset"),
    [
        (b"\xb0" + GOOD[1:], Fault.FORMAT, 0),
        (GOOD[:1] + b"\x00" + GOOD[2:], Fault.LENGTH, 0),
        (b"\xa0\x08\0\0\x03\x21\x93\0", Fault.ADDRESS, 2),
        (b"\xa0\x09\x03\x21\x93\0\0\0", Fault.LENGTH, 0),
        (b"\xa0\x08\x03\x21\x93\0\0\0", Fault.LENGTH, 4),
        (b"\xa0\x07\0\0\0\0\0", Fault.ADDRESS, 2),
        (GOOD[:4] + b"\x11" + GOOD[5:], Fault.HCS, 5),
        (GOOD[:-1] + b"\0", Fault.FCS, len(GOOD) - 2),
        (b"\xa0", Fault.SHORT, 0),
    ],
)
def test_faults_say_what_and_where(body: bytes, fault: Fault, offset: int) -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame(body)
    assert (caught.value.fault, caught.value.offset) == (fault, offset)
    assert f"offset {offset} of {len(body)}" in str(caught.value)


def test_a_short_header_is_told_from_a_wrong_one() -> None:
    for size in range(7):
        with pytest.raises(FrameError) as caught:
            decode_header(GOOD[:size], len(GOOD))
        assert caught.value.fault is Fault.SHORT
    assert decode_header(GOOD[:7], len(GOOD)) == (SERVER, CLIENT, 4, 7)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.I, SERVER, CLIENT, bytes(2039)),
        Frame(Kind.I, SERVER, CLIENT, send_sequence=8),
        Frame(Kind.RR, SERVER, CLIENT, send_sequence=1),
        Frame(Kind.UA, SERVER, CLIENT, receive_sequence=1),
        Frame(Kind.UNKNOWN, SERVER, CLIENT),
        Frame(Kind.UNKNOWN, SERVER, CLIENT, unknown_control=256),
    ],
)
def test_what_no_frame_can_say(frame: Frame) -> None:
    with pytest.raises(FrameError):
        frame.encode()


def test_the_longest_frame() -> None:
    octets = Frame(Kind.I, SERVER, CLIENT, bytes(2038)).encode()
    assert len(octets) == 2049
    assert decode_frame(octets[1:-1]).info == bytes(2038)
