"""Through a gateway: what goes to a meter behind it, what comes back, and what does not come from that meter."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

import dlms.client
from dlms import Gateway, connect
from dlms.apdu import ExceptionResponse, GatewayRequest, GatewayResponse
from dlms.cli.app import execute
from dlms.client import Client
from dlms.codec import decode, encode
from dlms.connection import Connection
from dlms.errors import LinkError, LocalProtocolError, ServiceRefused
from dlms.framing import Framing, Peer
from dlms.framing.gateway import GatewayClient
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer, wrap
from dlms.operations.associate import AssociationRequest
from dlms.server import Session
from dlms.values import DoubleLongUnsigned
from tests.dlms.server.devices import ENERGY, LONG, PASSWORDS, PUBLIC, SERVER, WRITER, device, store

HERE, THERE = Gateway(1, b"METER01"), Gateway(1, b"METER02")


class GatewayDouble:
    """A medium whose other end is a gateway; behind it is a network of meters, each a session of its own.

    It speaks the client's framing, takes the prefix off, asks the meter, and puts the other prefix on.  `says` are APDUs
    that it adds to the next answer as they are.
    """

    def __init__(self, meters: Iterable[Gateway], *, hdlc: bool = False) -> None:
        self.front = HdlcServer(server_saps=frozenset((SERVER,))) if hdlc else WrapperServer()
        self.meters: dict[Gateway, Session] = {}
        for number, address in enumerate(meters, 1):
            held = store()
            held.put(ENERGY.value, DoubleLongUnsigned(1000 * number))
            self.meters[address] = Session({None: device(held)}, WrapperServer())
        self.says: list[bytes] = []
        self.passed: list[Gateway] = []

    def send(self, data: bytes) -> None:
        self.front.receive_data(data, 0.0)
        while (event := self.front.next_event()) is not None:
            if hasattr(event, "apdu"):
                for answer in (*self.says, *self.passed_on(event.peer, decode(GatewayRequest, event.apdu))):
                    self.front.send(event.peer, answer, 0.0)

    def passed_on(self, peer: Peer, request: GatewayRequest) -> list[bytes]:
        to = Gateway(request.network_id, request.physical_device_address)
        self.passed.append(to)
        meter = self.meters.get(to)
        if meter is None:
            return [encode(ExceptionResponse(1, 1))]
        meter.receive_data(wrap(peer.client_sap, peer.server_sap, request.apdu), 0.0)
        pieces = [piece[HEADER.size :] for piece in meter.data_to_send()]
        return [encode(GatewayResponse(to.network_id, to.physical_device_address, piece)) for piece in pieces]

    def receive(self, timeout_s: float | None) -> bytes:
        pieces = self.front.data_to_send()
        if not pieces:
            raise LinkError("the gateway is silent")
        return b"".join(pieces)

    def close(self) -> None:
        """There is nothing to hang up."""


def through(double: GatewayDouble, to: Gateway, *, sap: int = PUBLIC) -> Client:
    hdlc = isinstance(double.front, HdlcServer)
    below: Framing = HdlcClient(sap, SERVER) if hdlc else WrapperClient(sap, SERVER)
    request = AssociationRequest()
    return Client(Connection(GatewayClient(below, to), request, timeout_s=1), double).open()


@pytest.mark.parametrize("hdlc", [False, True])
@pytest.mark.parametrize(("to", "held"), [(HERE, 1000), (THERE, 2000)])
def test_the_meter_that_is_meant_answers(to: Gateway, held: int, hdlc: bool) -> None:
    double = GatewayDouble((HERE, THERE), hdlc=hdlc)
    client = through(double, to)
    assert client.get(ENERGY.value) == held
    assert bytes(client.get(LONG.value)) == bytes(range(256)) * 3
    client.close()
    assert set(double.passed) == {to}


def test_what_goes_over_the_line() -> None:
    sent: list[bytes] = []
    double = GatewayDouble((HERE,))
    client = through(double, HERE)
    send = double.send
    double.send = lambda data: (sent.append(data), send(data))[1]  # type: ignore[method-assign,func-returns-value]
    client.get(ENERGY.value)
    assert sent[0][HEADER.size :].hex() == "e601074d455445523031c0014100030100010800ff0200"


def test_what_does_not_come_from_the_meter_is_counted_and_reaches_nobody() -> None:
    double = GatewayDouble((HERE, THERE))
    client = through(double, HERE)
    foreign = bytes.fromhex("c401c10006000000ff")
    double.says = [
        encode(GatewayResponse(1, b"METER02", foreign)),
        encode(GatewayResponse(2, b"METER01", foreign)),
        encode(GatewayRequest(1, b"METER01", foreign)),
        foreign,
        b"\xe7",
    ]
    assert client.get(ENERGY.value) == 1000
    assert isinstance(client.connection.framing, GatewayClient)
    assert client.connection.framing.foreign == 5
    assert client.connection.dropped == 0


def test_a_gateway_that_knows_no_such_meter_refuses() -> None:
    double = GatewayDouble((HERE,))
    with pytest.raises(ServiceRefused):
        through(double, THERE)


def test_requests_leave_room_for_the_prefix() -> None:
    below = WrapperClient(PUBLIC, SERVER)
    assert GatewayClient(below, HERE).max_apdu == below.max_apdu - 10


@pytest.mark.parametrize(("network", "address"), [(256, b"x"), (-1, b"x"), (1, b""), (1, bytes(128))])
def test_addresses_that_are_none(network: int, address: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="1 to 127 octets"):
        Gateway(network, address)


def test_connect_and_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(dlms.client, "dial", lambda url: GatewayDouble((HERE, THERE)))
    with connect("tcp://192.0.2.1:4059", client=WRITER, password=PASSWORDS[WRITER], gateway=THERE) as client:
        assert client.get(ENERGY.value) == 2000
    assert execute(["read", "tcp://192.0.2.1:4059", "--gateway", "1:4d455445523032", "3/1.0.1.8.0.255"]) == 0
    assert "20.00 kWh" in capsys.readouterr().out
    assert execute(["read", "tcp://192.0.2.1:4059", "--gateway", "METER02", "3/1.0.1.8.0.255"]) == 2
    assert "NETWORK:ADDRESS" in capsys.readouterr().err
