"""The link layer against published exchanges and captures."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hdlc.address import Address
from hdlc.errors import Fault
from hdlc.frame import Frame, Kind, decode_frame
from hdlc.link import Connected, Disconnected, Link, LinkConfig, Received
from hdlc.negotiation import Parameters, decode_parameters, negotiate
from hdlc.reader import Damaged, FrameReader
from hdlc.transitions import Role
from tests.vectors.shared import records

pytestmark = pytest.mark.vectors

KAMSTRUP, CAPTURES, APDUS = records("kamstrup_documented"), records("captures_dev"), records("apdu_dev")
SESSIONS = [record for record in KAMSTRUP if record["kind"] == "session"]
DOCUMENTED = [record for record in KAMSTRUP if record["kind"].startswith(("session_frame", "hdlc_push"))]
PUSHES = [record for record in CAPTURES if record["kind"].startswith("hdlc_push")]
FRAMES = [record for record in APDUS if record["kind"] == "hdlc_frame"]


def read(octets: bytes) -> list[Frame | Damaged]:
    reader = FrameReader()
    found: list[Frame | Damaged] = []
    for octet in octets:
        reader.feed(bytes((octet,)))
        while (item := reader.next_item()) is not None:
            found.append(item)
    return found


def fields(frame: Frame) -> dict[str, Any]:
    return {
        "seg": frame.segmented,
        "dst": frame.destination.encode().hex(),
        "src": frame.source.encode().hex(),
        "ctrl": f"{frame.control:02x}",
    }


def matches(item: Frame | Damaged, expect: dict[str, Any]) -> None:
    if not expect["ok"]:
        assert isinstance(item, Damaged)
        assert item.fault is (Fault.FCS if expect["hcs_ok"] else Fault.HCS)
        return
    assert isinstance(item, Frame)
    assert fields(item) == {key: expect[key] for key in ("seg", "dst", "src", "ctrl")}
    assert len(item.info) == expect.get("info_len", len(item.info))
    if "info" in expect:
        assert item.info.hex() == expect["info"].lower()


@pytest.mark.parametrize("record", DOCUMENTED + PUSHES, ids=lambda r: r["source"][:60])
def test_pushes_and_frames(record: dict[str, Any]) -> None:
    octets = bytes.fromhex(record["hex"])
    found = read(octets)
    expected = record["expect"]["frames"]
    assert len(found) >= len(expected)
    for item, expect in zip(found, expected, strict=False):
        matches(item, expect)
    if all(expect["ok"] for expect in expected):
        assert len(found) == len(expected)
        encoded = b"".join(item.encode() for item in found if isinstance(item, Frame))
        # Two printed frames have one stray octet behind the closing flag.
        assert encoded in (octets, octets[:-1])


@pytest.mark.parametrize("record", FRAMES, ids=lambda r: str(r["id"]))
def test_frames(record: dict[str, Any]) -> None:
    octets, expect = bytes.fromhex(record["hex"]), record["expect"]
    (frame,) = read(octets)
    assert isinstance(frame, Frame)
    assert frame.encode() == octets
    assert frame.segmented is expect["segmented"]
    assert len(octets) - 2 == expect["length"]
    assert frame.info.hex() == expect["information"]
    for address, wanted in ((frame.destination, expect["destination"]), (frame.source, expect["source"])):
        assert (address.size, address.upper, address.lower) == (wanted["len"], wanted["upper"], wanted["lower"])
        assert address.encode().hex() == wanted["raw"]
    control = expect["control"]
    assert (frame.control, frame.kind.name, frame.poll_final) == (control["raw"], control["type"], control["pf"])
    if frame.kind is Kind.I:
        assert (frame.send_sequence, frame.receive_sequence) == (control["ns"], control["nr"])


@pytest.mark.parametrize("session", SESSIONS, ids=lambda s: s["source"][:60])
def test_session_frames(session: dict[str, Any]) -> None:
    for entry in session["frames"]:
        matches(read(bytes.fromhex(entry["hex"]))[0], entry["expect"])


def whole_exchanges(session: dict[str, Any]) -> list[tuple[Frame, Frame]]:
    """The command and response pairs up to where the document leaves frames out."""
    pairs = []
    found = [read(bytes.fromhex(entry["hex"]))[0] for entry in session["frames"]]
    for asked, answered in zip(found[::2], found[1::2], strict=True):
        assert isinstance(asked, Frame)
        assert isinstance(answered, Frame)
        pairs.append((asked, answered))
    gap = next(
        (
            at + 1
            for at, (one, two) in enumerate(pairwise(pairs))
            if two[0].kind is Kind.I and one[0].kind is Kind.I and two[0].send_sequence != one[0].send_sequence + 1
        ),
        len(pairs),
    )
    return pairs[:gap]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda s: s["source"][:60])
def test_both_links_say_the_published_octets(session: dict[str, Any]) -> None:
    """Our primary sends the published commands and our secondary the published responses, octet for octet."""
    pairs = whole_exchanges(session)
    first = pairs[0][0]
    client, server = first.source, first.destination
    near = Link(Role.PRIMARY, client, server, LinkConfig(Parameters(512, 512), always_two_octets=True))
    far = Link(Role.SECONDARY, server, client, LinkConfig(Parameters(512, 128), always_two_octets=True))
    for asked, answered in pairs:
        if asked.kind is Kind.SNRM:
            near.connect(0.0)
        elif asked.kind is Kind.I:
            near.send(asked.info, 0.0)
        else:
            near.disconnect(0.0)
        assert near.data_to_send() == [asked.encode()]
        far.receive_frame(asked, 0.0)
        event = far.next_event()
        assert isinstance(event, Connected | Received | Disconnected)
        if isinstance(event, Received):
            assert event.info == asked.info
            far.send(answered.info, 0.0)
        assert far.data_to_send() == [answered.encode()]
        near.receive_frame(answered, 0.0)
        event = near.next_event()
        assert not isinstance(event, Received) or event.info == answered.info
    assert len(pairs) >= 4


def test_the_opening_octet_for_octet() -> None:
    frames = [bytes.fromhex(entry["hex"]) for entry in SESSIONS[0]["frames"]]
    offered = Parameters(512, 512)
    snrm = Frame(Kind.SNRM, Address(1), Address(16), offered.encode(always_two_octets=True))
    assert snrm.encode() == frames[0]
    agreed = negotiate(Parameters(512, 128), decode_parameters(snrm.info))
    assert Frame(Kind.UA, Address(16), Address(1), agreed.encode(always_two_octets=True)).encode() == frames[1]
    assert Frame(Kind.DISC, Address(1), Address(16)).encode() == frames[6]
    assert decode_frame(frames[1][1:-1]).info == agreed.encode(always_two_octets=True)
