"""A client and virtual meters wired together in memory: bytes are handed over, time stands still unless told."""

from __future__ import annotations

import datetime
from typing import Any

from dlms.connection import Connection, Ticket
from dlms.framing.hdlc import HdlcClient
from dlms.interface import AttributeRef
from dlms.operations import Operation, read, write
from dlms.operations.associate import AssociationRequest
from dlms.server import Device, Session
from meters.emulator import Emulator, hdlc_framing
from meters.kamstrup.k382 import MODEL
from meters.scenario import Constant

WINTER = int(datetime.datetime(2026, 1, 14, 23, tzinfo=datetime.UTC).timestamp())
"""Midnight of normal time."""
DAY_S = 86_400


def emulator(days: float = 1.0, count: int = 1, end_s: int = WINTER, source: Any = None, **options: Any) -> Emulator:
    """Meters that have lived `days` and now stand still at `end_s`, under a constant load unless told otherwise."""
    load = Constant(active_w=1000.0, reactive_var=200.0, wiring=MODEL.wiring) if source is None else source
    made = Emulator(MODEL, load, end_s - int(days * DAY_S), count, speed=0, **options)
    made.begin(end_s)
    return made


class Line:
    """One client in one association with one of the meters of an emulator."""

    def __init__(
        self,
        meters: Emulator,
        association: str = "optical",
        physical: int | None = None,
        password: bytes | None = None,
        devices: dict[int | None, Device] | None = None,
    ) -> None:
        granted = next(one for one in meters.model.associations if one.name == association)
        devices = meters.devices() if devices is None else devices
        self.session = Session(devices, hdlc_framing(meters.model, frozenset(devices)))
        request = AssociationRequest(granted.mechanism, granted.secret if password is None else password)
        framing = HdlcClient(granted.client_sap, granted.server_sap, physical=physical)
        self.connection = Connection(framing, request, quirks=meters.model.quirks)
        self.now = 0.0
        self.run(self.connection.open(self.now))

    def run(self, ticket: Ticket[Any]) -> Any:
        """Hand bytes over until the operation is done; its result."""
        for _ in range(10_000):
            if ticket.done:
                return ticket.result()
            for piece in self.connection.data_to_send():
                self.session.receive_data(piece, self.now)
            for piece in self.session.data_to_send():
                self.connection.receive_data(piece, self.now)
        raise AssertionError("the exchange does not end")

    def operate(self, operation: Operation[Any]) -> Any:
        """The result of one operation; raises what it raises."""
        return self.run(self.connection.start(operation, self.now))

    def get(self, ref: AttributeRef[Any], access: Any = None) -> Any:
        """Read one attribute."""
        return self.operate(read.get(ref, access))

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        """Write one attribute."""
        self.operate(write.set_value(ref, value))
