"""The blocking driver of a server: one session over one medium, until the medium ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from dlms.media import Medium
from dlms.server.session import Close, Session


def serve(session: Session, medium: Medium, clock: Callable[[], float] = time.monotonic) -> None:
    """Serve until the peer hangs up or the session wants to close.  Raises LinkError when the medium fails."""
    while True:
        due = session.next_timeout()
        data = medium.receive(None if due is None else max(0.0, due - clock()))
        if data:
            session.receive_data(data, clock())
        session.handle_timeout(clock())
        for piece in session.data_to_send():
            medium.send(piece)
        while (event := session.next_event()) is not None:
            if isinstance(event, Close):
                return
