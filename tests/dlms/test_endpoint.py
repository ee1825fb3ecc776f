"""Endpoints: what a URL means, and what is wrong with one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.endpoint import PLANNED, SCHEMES, Endpoint, client_framing, dial, listen, parse, server_framing
from dlms.errors import DlmsError, LinkError, LocalProtocolError
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import WrapperClient, WrapperServer


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tcp://10.0.0.7:4059", Endpoint("tcp", "10.0.0.7", 4059, "", {})),
        ("TCP://Meter.Example:1", Endpoint("tcp", "meter.example", 1, "", {})),
        ("hdlc://[::1]:4060", Endpoint("hdlc", "::1", 4060, "", {})),
        ("serial:///dev/ttyUSB0", Endpoint("serial", "", 0, "/dev/ttyUSB0", {})),
        ("serial://COM3?baud=300", Endpoint("serial", "com3", 0, "", {"baud": "300"})),
        ("serial:///dev/my%20port?echo=off", Endpoint("serial", "", 0, "/dev/my port", {"echo": "off"})),
        ("memory://name", Endpoint("memory", "name", 0, "", {})),
    ],
)
def test_urls(url: str, expected: Endpoint) -> None:
    assert parse(url) == expected
    assert parse(url).framing == SCHEMES[expected.scheme]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is no endpoint"),
        ("10.0.0.7:4059", "is no endpoint"),
        ("http://meter", "is no endpoint"),
        ("tcp://", "host:port is wanted"),
        ("tcp://meter", "host:port is wanted"),
        ("hdlc://:4059", "host:port is wanted"),
        ("tcp://meter:port", "port"),
        ("tcp://meter:99999", "ort"),
        ("tcp://meter:-1", "ort"),
        ("tcp://[::1", "IPv6"),
        ("tcp://meter:1?baud=300", "unknown option baud"),
        ("serial://", "serial:///dev/ttyUSB0"),
        ("serial:///", "serial:///dev/ttyUSB0"),
        ("serial:///dev/x?baud=fast", "baud=fast is no rate"),
        ("serial:///dev/x?baud=0", "baud=0 is no rate"),
        ("serial:///dev/x?echo=on", "echo=on"),
        ("serial:///dev/x?dtr=2", "dtr=2"),
        ("serial:///dev/x?stop=2", "unknown option stop"),
        ("memory://", "memory://name"),
        ("tcp://me\0ter:4059", "control characters"),
        ("tcp://meter:4059\n", "control characters"),
    ],
)
def test_what_is_wrong_with_a_url(url: str, says: str) -> None:
    with pytest.raises(LocalProtocolError, match=says):
        parse(url)
    with pytest.raises(LocalProtocolError):
        dial(url)


@pytest.mark.parametrize("scheme", PLANNED)
def test_schemes_to_come(scheme: str) -> None:
    with pytest.raises(LocalProtocolError, match="not there yet"):
        parse(f"{scheme}://meter:4059")


@pytest.mark.parametrize("scheme", ["tcp", "mqtt", "serial", "udp"])
def test_secrets_are_refused_and_not_repeated(scheme: str) -> None:
    for user in ("me:hunter2", ":hunter2", "hunter2"):
        with pytest.raises(LocalProtocolError, match="secrets") as refused:
            parse(f"{scheme}://{user}@meter:4059")
        assert "hunter2" not in str(refused.value)


@given(
    st.text(max_size=40) | st.text(max_size=30).map("tcp://".__add__) | st.text(max_size=30).map("serial://".__add__)
)
def test_any_text_is_an_endpoint_or_our_error(text: str) -> None:
    try:
        found = parse(text)
    except DlmsError:
        return
    assert found.scheme in SCHEMES


def test_framings() -> None:
    assert isinstance(client_framing("tcp://meter:1", 16, 1), WrapperClient)
    assert isinstance(client_framing("serial:///dev/x", 16, 1, physical=17), HdlcClient)
    assert isinstance(server_framing("memory://x"), WrapperServer)
    assert isinstance(server_framing("hdlc://meter:1", server_saps=frozenset((1,))), HdlcServer)


def test_a_port_of_zero_is_chosen() -> None:
    listener = listen("tcp://127.0.0.1:0", lambda medium: None)
    assert parse(listener.url).port > 0
    with pytest.raises(LinkError):
        listen(listener.url, lambda medium: None)
    listener.close()
