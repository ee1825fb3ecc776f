"""Link parameters: forms, ranges, and what two ends agree on."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdlc.errors import ParameterError
from hdlc.negotiation import Parameters, decode_parameters, negotiate
from tests.hdlc.strategies import PARAMETERS

STANDARD = "818012050180060180070400000001080400000001"
TWO_OCTETS = "8180140502020006020200070400000001080400000001"


def test_forms() -> None:
    assert Parameters().encode().hex() == STANDARD
    assert Parameters(512, 512).encode(always_two_octets=True).hex() == TWO_OCTETS
    assert Parameters(512, 512).encode().hex() == TWO_OCTETS
    assert Parameters().encode(always_two_octets=True).hex() == "8180140502008006020080070400000001080400000001"
    assert Parameters().encode(only_if_changed=True) == b""
    assert Parameters(128, 256).encode(only_if_changed=True).hex() == "81800406020100"
    assert decode_parameters(bytes.fromhex(STANDARD)) == Parameters()
    assert decode_parameters(bytes.fromhex(TWO_OCTETS)) == Parameters(512, 512)
    assert decode_parameters(b"") == decode_parameters(bytes.fromhex("818000")) == Parameters()


@given(PARAMETERS, st.booleans(), st.booleans(), st.binary(max_size=20))
def test_round_trip(parameters: Parameters, two: bool, changed: bool, user_data: bytes) -> None:
    whole = Parameters(
        parameters.max_info_transmit,
        parameters.max_info_receive,
        parameters.window_transmit,
        parameters.window_receive,
        user_data,
    )
    assert decode_parameters(whole.encode(always_two_octets=two, only_if_changed=changed)) == whole


@given(PARAMETERS, PARAMETERS)
def test_both_ends_agree(client: Parameters, server: Parameters) -> None:
    at_server = negotiate(server, client)
    at_client = negotiate(client, decode_parameters(at_server.encode()))
    assert at_client.max_info_transmit == at_server.max_info_receive <= client.max_info_transmit
    assert at_client.max_info_receive == at_server.max_info_transmit <= server.max_info_transmit
    assert at_client.window_transmit == at_server.window_receive <= server.window_receive
    assert at_client.window_receive == at_server.window_transmit <= client.window_receive


@pytest.mark.parametrize(
    "info",
    [
        "00",
        "8180",
        "818001",
        "81810405020200",
        "818003090180",  # unknown parameter
        "818006050180050180",  # twice
        "81800305011f",  # 31
        "818004050207ef",  # 2031
        "818006070400000000",
        "818006070400000008",
        "818005050300020000",
        "8180020500",
        "818014050202",
        "81800405030200",
        "8180030501",
    ],
)
def test_refused(info: str) -> None:
    with pytest.raises(ParameterError):
        decode_parameters(bytes.fromhex(info))


def test_user_data_is_kept() -> None:
    info = bytes.fromhex(STANDARD) + b"\xf0\x01x"
    assert decode_parameters(info).user_data == b"\xf0\x01x"
    assert decode_parameters(info).encode() == info
    with pytest.raises(ParameterError):
        Parameters(user_data=bytes(2030))


@pytest.mark.parametrize(
    "values", [(31, 128, 1, 1), (2031, 128, 1, 1), (128, 0, 1, 1), (128, 128, 0, 1), (128, 128, 1, 8)]
)
def test_ranges(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ParameterError):
        Parameters(*values)


@given(st.binary(max_size=40), st.booleans())
def test_any_octets_give_parameters_or_our_error(octets: bytes, plausible: bool) -> None:
    if plausible:
        octets = b"\x81\x80" + bytes((len(octets),)) + octets
    with contextlib.suppress(ParameterError):
        assert isinstance(decode_parameters(octets), Parameters)


def test_importing_the_package_is_light() -> None:
    script = "import sys, hdlc; print([m for m in ('construct', 'numpy', 'asyncio', 'socket') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
