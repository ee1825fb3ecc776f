"""`python -m tests.benchmarks.exchanges`: whole exchanges of our client and server in memory, without media and drivers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dlms.connection import Connection
from dlms.enums import Mechanism
from dlms.framing.wrapper import WrapperClient, WrapperServer
from dlms.operations import Operation
from dlms.operations.associate import AssociationRequest
from dlms.operations.lists import get_many
from dlms.operations.read import get, get_encoded
from dlms.operations.write import set_value
from dlms.server import Session
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PASSWORDS, PROFILE, SERVER, WRITER, device, store

ROWS, BLOCK = 300, 512


class Exchange:
    """A client and a server whose association is open; calling it runs one operation."""

    def __init__(self, size: int = 0xFFFF) -> None:
        served = device(store(ROWS), max_receive=size)
        self.session = Session({None: served}, WrapperServer())
        request = AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER], conformance=EVERYTHING, max_receive=0xFFFF)
        self.connection = Connection(WrapperClient(WRITER, SERVER), request)
        self._run(self.connection.open(0.0))

    def __call__(self, operation: Operation[Any]) -> Any:
        return self._run(self.connection.start(operation, 0.0))

    def _run(self, ticket: Any) -> Any:
        while not ticket.done:
            for data in self.connection.data_to_send():
                self.session.receive_data(data, 0.0)
            for data in self.session.data_to_send():
                self.connection.receive_data(data, 0.0)
        while self.connection.next_event() is not None:
            pass
        return ticket.result()


_whole, _small = Exchange(), Exchange(BLOCK)
_REFS = [ENERGY.value] * 32
VALUE = bytes(4096)

EXCHANGES: dict[str, tuple[Callable[[], Any], Any]] = {
    "GET of a register": (lambda: _whole(get(ENERGY.value)), 1234),
    "list of 32": (lambda: _whole(get_many(_REFS, _whole.connection.negotiated)), [1234] * 32),
    "SET of 4 kB in blocks": (lambda: _small(set_value(LONG.value, VALUE, None, _small.connection.negotiated)), None),
    "profile of 300 rows": (lambda: len(_whole(get_encoded(PROFILE.buffer))), 6904),
}
"""Name -> what does it, and what it must come to.  No peer and no floor takes part: neither is a client with its server."""


def main() -> None:
    """CPU time of each, the best of several turns."""
    for name, (exchange, expected) in EXCHANGES.items():
        assert exchange() == expected
        turns = []
        for _ in range(7):
            begun = time.process_time()
            for _ in range(50):
                exchange()
            turns.append((time.process_time() - begun) / 50)
        print(f"{name}: {min(turns) * 1e6:.1f} us")


if __name__ == "__main__":
    main()
