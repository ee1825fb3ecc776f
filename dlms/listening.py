"""The blocking driver of `dlms.pushes`: waits on a URL for meters that push by themselves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dlms.endpoint import Listening, listen, parse
from dlms.errors import LinkError, LocalProtocolError
from dlms.events import Fault
from dlms.media import Medium
from dlms.pushes import Pushed, PushReceiver, Senders

if TYPE_CHECKING:
    from dlms.media.udp import Address, UdpPort

POLL_S = 0.25
"""How soon a closed port is seen."""
MAX_SOURCES = 16
"""Addresses whose unfinished blocks are kept."""

Take = Callable[[Pushed | Fault], object]


def listen_for_pushes(url: str, senders: Senders, take: Take) -> Listening:
    """Give every push that comes to `url` (`tcp://`, `udp://` or `memory://`) to `take`, one after the other.

    `take` is called on a thread of the listener; what arrived and could not be taken is a `Fault`.  Raises LinkError when
    the address cannot be had, LocalProtocolError for another kind of URL.
    """
    lock = threading.Lock()
    if url.startswith("udp://"):
        return _listen_udp(url, senders, take, lock)
    if parse(url).framing != "wrapper":
        raise LocalProtocolError(f"{url!r}: pushes are taken in wrappers, on tcp://, udp:// or memory://")
    return listen(url, lambda medium: _serve(PushReceiver(senders), medium, take, lock))


def _serve(receiver: PushReceiver, medium: Medium, take: Take, lock: threading.Lock) -> None:
    """Until the meter hangs up, or sends what cannot be followed any further."""
    while receiver.fault is None:
        for piece in _received(receiver, medium.receive(None), take, lock):
            medium.send(piece)


def _received(receiver: PushReceiver, data: bytes, take: Take, lock: threading.Lock) -> list[bytes]:
    """Take what has come; gives what goes back.  Senders are shared by all lines, so that one goes after the other."""
    with lock:
        receiver.receive_data(data)
        while (event := receiver.next_event()) is not None:
            take(event)
        return receiver.data_to_send()


def _listen_udp(url: str, senders: Senders, take: Take, lock: threading.Lock) -> Listening:
    from dlms.media.udp import UdpPort

    where = parse("tcp" + url.removeprefix("udp"))  # the same host and port
    port = UdpPort(where.host, where.port)
    closed = threading.Event()
    thread = threading.Thread(
        target=_serve_udp, args=(port, senders, take, lock, closed), name=f"pushes {port.port}", daemon=True
    )
    thread.start()

    def close() -> None:
        closed.set()
        thread.join(timeout=5)
        port.close()

    host = f"[{port.host}]" if ":" in port.host else port.host
    return Listening(f"udp://{host}:{port.port}", close)


def _serve_udp(port: UdpPort, senders: Senders, take: Take, lock: threading.Lock, closed: threading.Event) -> None:
    """Until the listener is closed.  Whoever sent last is remembered, for pushes that come in blocks."""
    receivers: dict[Address, PushReceiver] = {}
    while not closed.is_set():
        try:
            found = port.receive(POLL_S)
        except LinkError:
            return
        if found is not None:
            data, source = found
            known = receivers.pop(source) if source in receivers else None
            receiver = receivers[source] = known or PushReceiver(senders, datagrams=True)
            if len(receivers) > MAX_SOURCES:
                del receivers[next(iter(receivers))]
            for piece in _received(receiver, data, take, lock):
                with contextlib.suppress(LinkError):  # a meter that cannot be reached sends again
                    port.send(piece, source)


__all__ = ["listen_for_pushes"]
