"""Addresses: octets, order, reserved values, and who feels addressed."""

from __future__ import annotations

import pytest
from hypothesis import given

from hdlc.address import Address, ClientAddress, LowerAddress, UpperAddress, accepts, decode_address
from hdlc.errors import Fault, FrameError, ParameterError
from tests.hdlc.strategies import ADDRESSES

FORMS = [
    (Address(1), "03"),
    (Address(16), "21"),
    (Address(1, 17), "0223"),
    (Address(103, 127), "ceff"),
    (Address(1, 17, size=4), "00020023"),
    (Address(0x3FFF, 0x1234), "fefe4869"),
]


@pytest.mark.parametrize(("address", "octets"), FORMS, ids=lambda x: str(x))
def test_forms(address: Address, octets: str) -> None:
    assert address.encode().hex() == octets
    assert decode_address(bytes.fromhex(octets), 0) == (address, len(octets) // 2)


@given(ADDRESSES)
def test_round_trip(address: Address) -> None:
    octets = address.encode()
    assert len(octets) == address.size
    assert decode_address(b"\0" + octets + b"\xff", 1) == (address, 1 + address.size)
    assert hash(decode_address(octets, 0)[0]) == hash(address)
    assert accepts(address, address) is not address.is_no_station


@given(ADDRESSES, ADDRESSES)
def test_order_is_total(a: Address, b: Address) -> None:
    assert (a < b) + (b < a) + (a == b) == 1
    assert (a <= b) is (a < b or a == b)


@pytest.mark.parametrize("octets", ["000003", "0000000003", "000000000001"])
def test_three_and_more_than_four_octets_are_refused(octets: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode_address(bytes.fromhex(octets), 0)
    assert caught.value.fault is Fault.ADDRESS
    assert caught.value.offset == 0


@pytest.mark.parametrize("octets", ["", "00", "0000", "000000"])
def test_cut_off(octets: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode_address(bytes.fromhex(octets), 0)
    assert caught.value.fault is Fault.SHORT


@pytest.mark.parametrize("arguments", [(128,), (-1,), (1, 2, 1), (1, None, 2), (200, 1, 2), (0x4000, 1), (1, 1, 3)])
def test_what_does_not_fit(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError):
        Address(*arguments)


ALL, ALL_WIDE = LowerAddress.ALL_STATION, LowerAddress.ALL_STATION_WIDE

ACCEPTED = [
    ("same, one octet", Address(1), Address(1), True),
    ("another, one octet", Address(1), Address(2), False),
    ("same, two", Address(1, 17), Address(1, 17), True),
    ("other device, two", Address(1, 17), Address(1, 18), False),
    ("one against two", Address(1, 17), Address(1), False),
    ("one against four", Address(1, 17, 4), Address(1), False),
    ("two against one", Address(1), Address(1, 17), False),
    ("two against one, all devices", Address(1), Address(1, ALL), True),
    ("four against one, all devices", Address(1), Address(1, ALL_WIDE), True),
    ("four against one, value 127 is a device", Address(1), Address(1, 127, 4), False),
    ("four against two, values fit", Address(1, 17), Address(1, 17, 4), True),
    ("four against two, values do not", Address(1, 17), Address(1, 17 + 128, 4), False),
    ("four against two, all devices", Address(1, 17), Address(1, ALL_WIDE), True),
    ("two against four", Address(1, 17, 4), Address(1, 17), True),
    ("all logical devices", Address(1, 17), Address(UpperAddress.ALL_STATION, 17), True),
    ("all logical devices, four", Address(1, 17, 4), Address(UpperAddress.ALL_STATION_WIDE, 17), True),
    ("all clients", Address(16), Address(ClientAddress.ALL_STATION), True),
    ("nobody", Address(1), Address(0), False),
    ("nobody is not even nobody", Address(0), Address(0), False),
    ("calling device, both forms", Address(1, LowerAddress.CALLING), Address(1, LowerAddress.CALLING_WIDE), True),
]


@pytest.mark.parametrize(("own", "received", "expected"), [c[1:] for c in ACCEPTED], ids=[c[0] for c in ACCEPTED])
def test_accepts(own: Address, received: Address, expected: bool) -> None:
    assert accepts(own, received) is expected


def test_all_station() -> None:
    assert Address(0x7F).is_all_station
    assert Address(1, 0x7F).is_all_station
    assert Address(1, 0x3FFF).is_all_station
    assert not Address(1, 0x7F, 4).is_all_station
    assert Address(0).is_no_station
    assert str(Address(1, 17)) == "1/17"
