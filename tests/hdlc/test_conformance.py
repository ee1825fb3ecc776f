"""Our re-implementation of the abstract data link tests (ATS_DL), case by case, against the secondary.

The identifiers are those of the abstract test suite; what is sent and expected follows its description, not its text.
Between the cases nothing is shared: each starts from an unconnected station.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hdlc.address import Address
from hdlc.fcs import fcs_octets
from hdlc.frame import Frame, Kind, decode_frame
from hdlc.link import LinkConfig
from hdlc.negotiation import Parameters, decode_parameters
from hdlc.transitions import Role
from tests.hdlc.ends import CLIENT, SERVER, End, command

AARQ = b"\xe6\xe6\x00\x60" + bytes(40)
AARE = b"\xe6\xe7\x00\x61" + bytes(40)
INACTIVITY_S = 120.0


class Bench:
    """The station under test with a virtual clock; octets in, frames out."""

    def __init__(self, config: LinkConfig | None = None, own: Address = SERVER) -> None:
        self.end = End(Role.SECONDARY, config, answer=lambda _: AARE, own=own)
        self.now = 0.0

    def octets(self, data: bytes) -> list[Frame]:
        self.end.receive_data(data, self.now)
        return [decode_frame(octets[1:-1]) for octets in self.end.data_to_send()]

    def send(self, *frames: Frame) -> list[Frame]:
        return [answer for frame in frames for answer in self.octets(frame.encode())]

    def kinds(self, *frames: Frame) -> list[Kind]:
        return [answer.kind for answer in self.send(*frames)]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.end.handle_timeout(self.now)

    def connected(self) -> Bench:
        assert self.kinds(SNRM) == [Kind.UA]
        return self


SNRM, DISC, RR = command(Kind.SNRM), command(Kind.DISC), command(Kind.RR)


def fixed_up(body: bytes) -> bytes:
    """A frame whose length and check are right for what is left of it."""
    body = (0xA000 | len(body) + 2).to_bytes(2, "big") + body[2:]
    return b"~" + body + fcs_octets(body) + b"~"


def test_FRAME_P1() -> None:
    tester = Bench()
    ua, rr, released, dm = tester.send(SNRM, RR, DISC, DISC)
    assert (ua.kind, ua.poll_final) == (Kind.UA, True)
    assert (rr.kind, rr.poll_final, rr.receive_sequence) == (Kind.RR, True, 0)
    assert (released.kind, dm.kind) == (Kind.UA, Kind.DM)


def test_FRAME_P2() -> None:
    tester = Bench().connected()
    assert tester.octets(DISC.encode()[:-1]) == []
    tester.wait(0.04)
    assert tester.kinds(RR) == [Kind.RR]
    assert tester.end.reader.damaged_frames == 1


def test_FRAME_P3() -> None:
    tester = Bench().connected()
    tester.wait(INACTIVITY_S * 1.1)
    assert tester.kinds(DISC) == [Kind.DM]


def test_FRAME_N1() -> None:
    """The tester waits for a response that does not come: the silence ends the piece of a frame."""
    tester = Bench()
    for pieces in (slice(1, None), slice(0, -1), slice(1, -1)):
        assert tester.octets(SNRM.encode()[pieces]) == []
        tester.wait(0.04)
    assert tester.kinds(DISC) == [Kind.DM]


@pytest.mark.parametrize("own", [SERVER, Address(1, 17), Address(1, 17, 4)], ids=str)
@pytest.mark.parametrize("removed", [1, 2, 3])
@pytest.mark.parametrize("check_too", [True, False])
def test_FRAME_N2(own: Address, removed: int, check_too: bool) -> None:
    tester = Bench(own=own)
    snrm = Frame(Kind.SNRM, own, CLIENT)
    body = snrm.encode()[1:-1]
    if check_too:
        short = fixed_up(body[:2] + body[2 + removed : -2])
    else:
        short = b"~" + (0xA000 | len(body) - removed).to_bytes(2, "big") + body[2 + removed :] + b"~"
    assert tester.octets(short) == []
    assert tester.kinds(snrm) == [Kind.UA]


def test_FRAME_N3() -> None:
    tester = Bench()
    octets = SNRM.encode()
    assert tester.octets(octets[:1] + b"\0" + octets[2:]) == []
    assert tester.kinds(DISC) == [Kind.DM]
    body = b"\xb0" + octets[2:-3]
    assert tester.octets(b"~" + body + fcs_octets(body) + b"~") == []
    assert tester.kinds(DISC) == [Kind.DM]


def test_FRAME_N4() -> None:
    tester = Bench()
    octets = bytearray(SNRM.encode())
    octets[2] += 1
    assert tester.octets(bytes(octets)) == []
    assert tester.kinds(DISC) == [Kind.DM]


def unused_controls() -> Iterable[int]:
    return (octet for octet in range(256) if decode_kind(octet) is Kind.UNKNOWN and octet & 0x10)


def decode_kind(octet: int) -> Kind:
    body = bytes((0xA0, 7, 3, 0x21, octet))
    return decode_frame(body + fcs_octets(body)).kind


def test_FRAME_N5() -> None:
    controls = list(unused_controls())
    assert len(controls) == 42
    for octet in controls:
        tester = Bench().connected()
        (rejected,) = tester.send(Frame(Kind.UNKNOWN, SERVER, CLIENT, unknown_control=octet))
        assert (rejected.kind, rejected.info) == (Kind.FRMR, bytes((octet, 0, 1)))
        assert tester.kinds(RR) == [Kind.FRMR]
        assert tester.kinds(SNRM) == [Kind.UA]


def test_FRAME_N7() -> None:
    tester = Bench()
    octets = bytearray(command(Kind.SNRM, Parameters().encode()).encode())
    octets[6] ^= 0xFF
    octets[-3:-1] = fcs_octets(bytes(octets[1:-3]))
    assert tester.octets(bytes(octets)) == []
    assert tester.kinds(DISC) == [Kind.DM]


def test_FRAME_N8() -> None:
    tester = Bench()
    octets = bytearray(command(Kind.SNRM, Parameters().encode()).encode())
    octets[-2] ^= 0xFF
    assert tester.octets(bytes(octets)) == []
    assert tester.kinds(DISC) == [Kind.DM]


@pytest.mark.parametrize("own", [SERVER, Address(1, 17), Address(1, 17, 4)], ids=str)
def test_ADDRESS_P1(own: Address) -> None:
    tester = Bench(own=own)
    answers = tester.send(Frame(Kind.SNRM, own, CLIENT), Frame(Kind.DISC, own, CLIENT))
    assert [(a.kind, a.source, a.destination) for a in answers] == [(Kind.UA, own, CLIENT)] * 2


def test_ADDRESS_P1_with_the_long_form_of_a_two_octet_address() -> None:
    tester = Bench(own=Address(1, 17))
    called = Address(1, 17, 4)
    answers = tester.send(Frame(Kind.SNRM, called, CLIENT), Frame(Kind.DISC, Address(1, 17), CLIENT))
    assert [(a.kind, a.source) for a in answers] == [(Kind.UA, called), (Kind.UA, Address(1, 17))]


def test_ADDRESS_N1() -> None:
    tester = Bench()
    assert tester.send(Frame(Kind.SNRM, SERVER, Address(0, 16))) == []
    assert tester.kinds(DISC) == [Kind.DM]


@pytest.mark.parametrize("own", [SERVER, Address(1, 17), Address(1, 17, 4)], ids=str)
@pytest.mark.parametrize(
    "called",
    [
        *(Address(0), Address(5), Address(0x7F)),
        *(Address(0, 17), Address(1, 9), Address(0x7F, 0x7F), Address(1, 0x7F)),
        *(Address(0, 17, 4), Address(9, 17, 4), Address(0x3FFF, 0x3FFF), Address(1, 0x3FFF), Address(1, 0x3FFE)),
    ],
    ids=str,
)
def test_ADDRESS_N4(own: Address, called: Address) -> None:
    tester = Bench(own=own)
    assert tester.kinds(Frame(Kind.SNRM, own, CLIENT)) == [Kind.UA]
    assert tester.send(Frame(Kind.SNRM, called, CLIENT)) == []
    assert tester.kinds(Frame(Kind.DISC, own, CLIENT)) == [Kind.UA]


@pytest.mark.parametrize("own", [Address(1, 17), Address(1, 17, 4)], ids=str)
def test_ADDRESS_N6(own: Address) -> None:
    tester = Bench(own=own)
    assert tester.send(Frame(Kind.SNRM, Address(1), CLIENT)) == []
    assert tester.kinds(Frame(Kind.DISC, own, CLIENT)) == [Kind.DM]


@pytest.mark.parametrize("called", ["000023", "0000000023"])
def test_ADDRESS_N7(called: str) -> None:
    tester = Bench().connected()
    assert tester.octets(fixed_up(b"\0\0" + bytes.fromhex(called) + b"\x21\x93")) == []
    assert tester.kinds(DISC) == [Kind.UA]


def test_NDM2NRM_P1() -> None:
    (ua,) = Bench().send(command(Kind.SNRM, Parameters(2030, 2030).encode()))
    agreed = decode_parameters(ua.info)
    assert ua.kind is Kind.UA
    assert (agreed.max_info_transmit, agreed.max_info_receive) == (128, 128)


def test_NDM2NRM_P2() -> None:
    (ua,) = Bench().send(command(Kind.SNRM, Parameters(window_transmit=4, window_receive=4).encode()))
    assert ua.kind is Kind.UA
    assert b"\x07\x04\0\0\0\x01\x08\x04\0\0\0\x01" in ua.info


def test_INFO_P1() -> None:
    tester = Bench().connected()
    (whole,) = tester.send(command(Kind.I, AARQ))
    assert (whole.kind, whole.info, whole.send_sequence, whole.receive_sequence) == (Kind.I, AARE, 0, 1)
    tester = Bench().connected()
    parts = [AARQ[at : at + 10] for at in range(0, len(AARQ), 10)]
    for number, part in enumerate(parts[:-1]):
        (ready,) = tester.send(command(Kind.I, part, ns=number, segmented=True))
        assert (ready.kind, ready.receive_sequence) == (Kind.RR, number + 1)
    (whole,) = tester.send(command(Kind.I, parts[-1], ns=len(parts) - 1))
    assert (whole.kind, whole.info, whole.receive_sequence) == (Kind.I, AARE, len(parts))
    assert tester.end.received == [AARQ]


def test_INFO_N1() -> None:
    tester = Bench().connected()
    (rejected,) = tester.send(command(Kind.I, bytes(129)))
    assert (rejected.kind, rejected.info) == (Kind.FRMR, b"\x10\0\x04")
    assert tester.end.received == []
    assert tester.kinds(SNRM) == [Kind.UA]


def test_INFO_N2() -> None:
    tester = Bench().connected()
    (rejected,) = tester.send(command(Kind.RR, nr=1))
    assert (rejected.kind, rejected.info) == (Kind.FRMR, b"\x31\0\x08")
    assert tester.kinds(SNRM) == [Kind.UA]


def test_INFO_N3() -> None:
    tester = Bench().connected()
    (ready,) = tester.send(command(Kind.I, AARQ, ns=1))
    assert (ready.kind, ready.receive_sequence) == (Kind.RR, 0)
    assert tester.end.received == []


def test_NDMOP_N1() -> None:
    tester = Bench()
    assert tester.kinds(command(Kind.I, AARQ)) == [Kind.DM]
    assert tester.kinds(DISC) == [Kind.DM]


def test_the_same_information_frame_twice() -> None:
    """Not in the suite: a repetition is answered again, delivered once, and the next exchange works."""
    tester = Bench().connected()
    first, again = tester.send(command(Kind.I, AARQ), command(Kind.I, AARQ))
    assert first == again
    (other,) = tester.send(command(Kind.I, b"other", ns=1, nr=1))
    assert (other.send_sequence, other.receive_sequence) == (1, 2)
    assert tester.end.received == [AARQ, b"other"]
