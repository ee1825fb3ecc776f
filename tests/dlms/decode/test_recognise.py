"""What octets are: kinds, the preferred one, noise and damage, and that nothing received gets through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.apdu.gateway import GatewayRequest
from dlms.apdu.protected import GeneralSigning
from dlms.codec import encode
from dlms.decode import KINDS, Decoded, decode
from dlms.decode.records import MAX_NESTING
from dlms.decode.text import tree
from dlms.errors import LocalProtocolError
from dlms.framing import mbus
from dlms.framing.wrapper import wrap
from hdlc import Address, Frame, Kind

GET = bytes.fromhex("c001c100080000010000ff0200")
"""Get-request of the time of a clock."""
REPLY = bytes.fromhex("c401c100090c07dd0a1905071e00ff800000")
AARQ = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a80084d79536563726574be10040e01000000065f1f040000181f0100"
)
CLIENT, METER = Address(16), Address(1, 17)


def hdlc(info: bytes, kind: Kind = Kind.I, segmented: bool = False, number: int = 0) -> bytes:
    return Frame(kind, METER, CLIENT, info, number, segmented=segmented).encode()


def answer(octets: bytes, **options: Any) -> dict[str, Any]:
    """The JSON answer, having gone through JSON and text."""
    found = decode(octets, **options)
    assert "\n".join(tree(found))
    shown: dict[str, Any] = json.loads(json.dumps(found.to_json()))
    return shown


def kinds_of(found: Decoded) -> list[str]:
    return [layer.kind for layer in found.layers]


SAMPLES = {
    "hdlc": hdlc(b"\xe6\xe6\x00" + GET),
    "wrapper": wrap(16, 1, GET),
    "mbus": mbus.Frame(0x53, 0xFF, 0x10, b"\x01\x67" + GET).encode(),
    "llc": b"\xe6\xe6\x00" + GET,
    "apdu": GET,
    "data": bytes.fromhex("020206000001180f03"),
    "iec62056-21": b"/ABC5 12345\r\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_recognised(kind: str) -> None:
    found = decode(SAMPLES[kind])
    assert (found.ok, found.kind, found.error) == (True, kind, None)
    assert found.value == decode(SAMPLES[kind], kind=kind).value
    if kind not in ("data", "iec62056-21"):
        assert found.value["apdu"] == "get-request-normal"
        assert found.value["attribute"]["instance_id"] == "0.0.1.0.0.255"


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_point_into_the_input(kind: str) -> None:
    octets = SAMPLES[kind]
    found = decode(octets)
    last = found.layers[-1]
    assert found.layers[0].offset == 0
    assert found.layers[0].length == (3 if kind == "llc" else len(octets))
    if kind not in ("data", "iec62056-21"):
        assert octets[last.offset : last.offset + last.length] == GET


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_a_forced_kind_refuses_the_others(kind: str, other: str) -> None:
    if kind != other and (kind, other) != ("apdu", "llc"):  # by its layout that is a gateway-request
        found = answer(SAMPLES[other], kind=kind)
        assert found["ok"] is False
        assert found["error"]


def test_an_unknown_kind_is_the_callers_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="hdlc"):
        decode(GET, kind="zigbee")


def test_preferred_and_other_readings() -> None:
    """A read-request of one short name has as many octets as a double-long, and can be both."""
    found = answer(bytes.fromhex("050102fa00"))
    assert (found["kind"], found["value"]["apdu"]) == ("apdu", "read-request")
    assert [(other["kind"], other["value"]) for other in found["also"]] == [
        ("data", {"type": "double-long", "value": 0x0102FA00})
    ]


def test_the_same_octets_may_be_data_where_they_are_no_apdu() -> None:
    assert answer(b"\x0f\x05")["value"] == {"type": "integer", "value": 5}
    assert answer(b"\x0f\x05", kind="apdu")["ok"] is False


@pytest.mark.parametrize("octets", [b"", b"\xff\x00", b"\x7e", b"\x7e\xa0", b"hello", b"\x00\x01"])
def test_what_is_nothing(octets: bytes) -> None:
    found = answer(octets)
    assert found["ok"] is False
    assert found["error"]
    assert "value" not in found


def test_noise_is_told_and_tolerated() -> None:
    found = decode(b"\x00\xff" + SAMPLES["hdlc"] + b"\x58")
    assert (found.ok, found.reading.exact) == (True, False)
    assert found.layers[0].offset == 2
    assert found.layers[0].notes == [
        "2 octets of noise before the frame: 00 ff",
        "1 octet of noise behind the frame: 58",
    ]
    assert decode(b"\x7e\x7e" + SAMPLES["hdlc"] + b"\x7e").reading.exact
    noisy = decode(b"\x00" + SAMPLES["mbus"] + b"\x01\x02")
    assert (noisy.ok, noisy.kind, noisy.reading.exact) == (True, "mbus", False)
    assert noisy.layers[0].notes[-1] == "2 octets of noise behind the frame: 01 02"


def test_a_damaged_frame_fails_and_shows_what_it_says() -> None:
    octets = bytearray(SAMPLES["hdlc"])
    octets[-2] ^= 0xFF
    found = answer(bytes(octets))
    assert found["ok"] is False
    assert "frame check" in found["error"]
    fields = found["layers"][0]["fields"]
    assert (fields["ok"], fields["hcs_ok"], fields["control"]["type"]) == (False, True, "I")
    assert found["layers"][-1]["fields"]["apdu"] == "get-request-normal"


def test_a_damaged_header_fails_and_shows_the_whole_frame() -> None:
    octets = bytearray(SAMPLES["hdlc"])
    octets[6] ^= 0xFF
    found = decode(bytes(octets))
    assert not found.ok
    assert (found.layers[0].fields["ok"], found.layers[0].fields["hcs_ok"]) == (False, False)
    assert found.layers[0].length == len(octets)
    assert decode(bytes(octets) + SAMPLES["hdlc"]).layers[-1].fields["apdu"] == "get-request-normal"


def test_a_cut_frame_fails() -> None:
    found = decode(SAMPLES["hdlc"][:-5])
    assert not found.ok
    assert "stopped" in (found.error or "")
    assert found.layers[0].fields["hcs_ok"] is True


def test_segments_are_joined() -> None:
    message = b"\xe6\xe7\x00" + REPLY
    octets = hdlc(message[:6], segmented=True) + hdlc(message[6:12], segmented=True, number=1)[1:]
    octets += hdlc(message[12:], number=2)[1:]
    found = decode(octets)
    assert found.ok
    assert kinds_of(found) == ["hdlc", "hdlc", "hdlc", "reassembled", "llc", "apdu"]
    assert found.layers[3].fields == {"frames": 3, "octets": message.hex()}
    assert found.value["apdu"] == "get-response-normal"
    unfinished = decode(octets[: octets.index(b"\x7e\xa8", 1) + 1])
    assert unfinished.ok
    assert "goes on" in unfinished.layers[-1].notes[-1]


def test_general_blocks_are_joined() -> None:
    blocks = [
        encode(GeneralBlockTransfer(0x40 | (at == 2) << 7, at + 1, 0, REPLY[at * 7 : at * 7 + 7])) for at in range(3)
    ]
    found = decode(
        b"".join(hdlc((b"\xe6\xe7\x00" if at == 0 else b"") + block, Kind.UI) for at, block in enumerate(blocks))
    )
    assert found.ok
    assert found.value["apdu"] == "get-response-normal"
    assert [layer.fields["blocks"] for layer in found.layers if layer.kind == "reassembled"] == [3]
    twice = decode(b"".join(wrap(1, 16, block) for block in (blocks[0], blocks[0], *blocks[1:])))
    assert twice.value["apdu"] == "get-response-normal"
    gap = decode(wrap(1, 16, blocks[0]) + wrap(1, 16, blocks[2]))
    assert gap.error == "general-block-transfer: block 2 is missing"
    assert "block 2 is missing" in gap.layers[-1].notes
    assert gap.value["apdu"] == "general-block-transfer"


def test_several_messages_give_several_values() -> None:
    octets = hdlc(b"\xe6\xe6\x00" + GET) + Frame(Kind.RR, CLIENT, METER).encode() + hdlc(b"\xe6\xe7\x00" + REPLY)
    assert [value["apdu"] for value in decode(octets).value] == ["get-request-normal", "get-response-normal"]
    assert [value["apdu"] for value in decode(wrap(1, 2, GET) * 2).value] == ["get-request-normal"] * 2


def test_link_parameters() -> None:
    found = decode(hdlc(bytes.fromhex("818014050202000602020007040000000108040000000 1".replace(" ", "")), Kind.SNRM))
    assert found.value["parameters"] == {
        "max_info_transmit": 512,
        "max_info_receive": 512,
        "window_transmit": 1,
        "window_receive": 1,
    }
    odd = decode(hdlc(b"\x81\x80\x03\x99\x01\x01", Kind.UA))
    assert odd.ok
    assert "link parameters" in odd.layers[0].notes[0]


def test_a_frame_whose_content_is_no_apdu_is_understood() -> None:
    for octets in (hdlc(b"\x02\x01"), wrap(1, 3, b"\xaa\xbb"), mbus.Frame(8, 1, 0x10, b"\1\2\xaa").encode()):
        found = decode(octets)
        assert found.ok
        assert found.layers[-1].kind == "octets"
        assert "no APDU" in found.layers[-1].notes[0]
    assert decode(wrap(1, 3, b"\xaa\xbb")).value["payload"] == "aabb"
    assert decode(mbus.Frame(8, 1, 0x72, bytes(12)).encode()).value["ci"] == 0x72


def test_wrapper_that_is_cut_or_goes_on() -> None:
    cut = answer(wrap(16, 1, GET)[:-1])
    assert cut["error"] == "wrapper: 13 octets announced, 12 are there"
    assert cut["layers"][0]["fields"]["source_wport"] == 16
    more = answer(wrap(16, 1, GET) + b"\x00\x01\x00")
    assert "3 octets left over" in more["error"]
    assert [layer["kind"] for layer in more["layers"]] == ["wrapper", "apdu"]


def test_gateway_and_signature_carry_apdus() -> None:
    found = decode(encode(GatewayRequest(1, b"meter", GET)))
    assert [layer.fields["apdu"] for layer in found.layers] == ["gateway-request", "get-request-normal"]
    signed = decode(encode(GeneralSigning(b"", b"ABCDEFGH", b"", b"", b"", GET, bytes(64))))
    assert signed.value["apdu"] == "get-request-normal"
    assert signed.layers[0].notes == ["the signature was not checked"]


def test_nesting_is_bounded() -> None:
    found = decode(bytes.fromhex("e60001aa") * (MAX_NESTING + 2) + GET)
    assert not found.ok
    assert len(found.layers) == MAX_NESTING + 1
    for octets in (b"\x01\x01" * 10_000, b"\x02\x01" * 10_000 + b"\x00", b"\xe6\x00\x01\xaa" * 10_000):
        assert answer(octets)["ok"] is False


def test_date_time_of_a_push_is_opened() -> None:
    push = bytes.fromhex("0f400000010c07e7011f02122217ff8000ff0203120001")[:-5] + b"\x12\x00\x01"
    value = decode(push).value
    assert value["date_time_fields"] == {
        "year": 2023,
        "month": 1,
        "day": 31,
        "weekday": 2,
        "hour": 18,
        "minute": 34,
        "second": 23,
        "hundredths": None,
        "deviation": None,
        "status": None,
    }
    assert "2023-01-31 18:34:23" in "\n".join(tree(decode(push)))


def test_password_stands_in_json_and_not_in_text() -> None:
    for octets in (AARQ, b"\xe6\xe6\x00" + AARQ, hdlc(b"\xe6\xe6\x00" + AARQ), wrap(1, 2, AARQ)):
        found = decode(octets)
        assert found.value["authentication_value"] == b"MySecret".hex()
        assert found.value["user_information"]["apdu"] == "initiate-request"
        text = "\n".join(tree(found))
        assert b"MySecret".hex() not in text
        assert "8 octets, not shown" in text


@pytest.mark.parametrize("cut", range(30, len(AARQ)))
def test_password_is_not_in_the_words_about_a_broken_request(cut: int) -> None:
    for octets in (
        AARQ[:cut],
        hdlc(b"\xe6\xe6\x00" + AARQ[:cut]),
        b"\xe6\xe6\x00" + AARQ[:cut],
        wrap(1, 2, AARQ[:cut]),
    ):
        text = "\n".join(tree(decode(octets)))
        assert b"MySec".hex() not in text.replace(" ", "").replace("[", "").replace("]", "")


def test_identification_line() -> None:
    assert decode(b"/ABC5 12345\r\n").value == {
        "identification_line": "/ABC5 12345",
        "manufacturer": "ABC",
        "baud_id": "5",
        "type": "12345",
        "baud": 9600,
    }
    assert answer(b"/ABC5 12345")["ok"] is False


@pytest.mark.parametrize("kind", [None, *KINDS])
@given(octets=st.binary(max_size=300))
def test_no_octets_raise(kind: str | None, octets: bytes) -> None:
    found = decode(octets, kind=kind, verify=False)
    json.dumps(found.to_json())
    assert found.ok == (found.error is None)
    assert list(tree(found))


@given(st.sampled_from([*SAMPLES.values(), AARQ, wrap(1, 1, REPLY), hdlc(b"\xe6\xe7\x00" + AARQ)]), st.data())
def test_mutations_and_cuts_do_not_raise(octets: bytes, data: st.DataObject) -> None:
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    found = decode(cut)
    json.dumps(found.to_json())
    assert list(tree(found))


def test_many_small_frames_end() -> None:
    empty = Frame(Kind.RR, CLIENT, METER).encode()
    found = decode(empty * 10_001)
    assert not found.ok
    assert "more than 10000 frames" in (found.error or "")
    assert not decode(b"\x7e\xa0" * 50_000).ok
    assert not decode(b"\x68\x68\x68\x68" * 20_000).ok
