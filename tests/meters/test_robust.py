"""Whatever arrives, a virtual meter answers or keeps silent: no exception, and it still works afterwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlms.framing import Received, llc
from dlms.ic import Register
from hdlc import Address, Frame, Kind
from meters.kamstrup.k382 import MODEL
from obis import Obis
from tests.meters.wired import Line, emulator

METERS = emulator(days=0.1)
ENERGY = Register("1.1.1.8.0.255").value
CODES = st.sampled_from(sorted(MODEL.by_obis)) | st.binary(min_size=6, max_size=6).map(Obis)
ATTRIBUTES = st.builds(
    lambda class_id, code, index: class_id.to_bytes(2, "big") + code + bytes((index,)),
    st.sampled_from((1, 3, 4, 7, 8, 15, 17, 23)),
    CODES,
    st.integers(0, 255),
)
SELECTION = st.just(b"\x00") | st.binary(max_size=40).map(lambda raw: b"\x01" + raw)
APDUS = st.one_of(
    st.binary(max_size=120),
    st.builds(lambda name, tail: b"\xc0\x01\xc1" + name + tail, ATTRIBUTES, SELECTION),
    st.builds(lambda name, value: b"\xc1\x01\xc1" + name + b"\x00" + value, ATTRIBUTES, st.binary(max_size=40)),
    st.builds(lambda name, tail: b"\xc3\x01\xc1" + name + tail, ATTRIBUTES, SELECTION),
)


def exchange(line: Line, apdus: list[bytes]) -> list[bytes | None]:
    """Send APDUs in good frames, each after the answer to the one before; what was answered, None for silence."""
    answers: list[bytes | None] = []
    link = line.connection.framing.link  # type: ignore[attr-defined]
    for apdu in apdus:
        link.send(llc.REQUEST + apdu, line.now)
        for _ in range(100):
            if not (pieces := link.data_to_send()):
                break
            for piece in pieces:
                line.session.receive_data(piece, line.now)
            for piece in line.session.data_to_send():
                line.connection.framing.receive_data(piece, line.now)
        event = line.connection.framing.next_event()
        answers.append(event.apdu if isinstance(event, Received) else None)
    return answers


@given(apdus=st.lists(APDUS, max_size=5), association=st.sampled_from([one.name for one in MODEL.associations]))
def test_any_apdu(apdus: list[bytes], association: str) -> None:
    apdus = [apdu for apdu in apdus if apdu]
    answers = exchange(Line(METERS, association), apdus)
    for apdu, answer in zip(apdus, answers, strict=True):
        assert answer or not apdu.startswith(b"\xc0\x01\xc1")
    assert Line(METERS).get(ENERGY) >= 0


@given(noise=st.binary(max_size=200), kind=st.sampled_from([kind for kind in Kind if kind is not Kind.UNKNOWN]))
def test_any_octets_and_any_frame(noise: bytes, kind: Kind) -> None:
    line = Line(METERS)
    line.session.receive_data(noise, 0.0)
    line.session.receive_data(Frame(kind, Address(16), Address(19), noise[:100]).encode(), 0.0)
    line.session.data_to_send()
    line.session.handle_timeout(100.0)
    assert Line(METERS).get(ENERGY) >= 0
