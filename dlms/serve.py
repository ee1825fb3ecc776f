"""The blocking driver of a server: one session over one medium, until the medium ends."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

from dlms.media import Medium
from dlms.server.session import Close, Session


def serve(session: Session, medium: Medium, lock: AbstractContextManager[object] | None = None) -> None:
    """Serve until the session wants to close the medium.

    `lock` is held while the session works, where several sessions share devices.  Raises LinkError when the peer hangs up
    or the medium fails.
    """
    lock = nullcontext() if lock is None else lock
    while not _closes(session):
        due = session.next_timeout()
        data = medium.receive(None if due is None else max(0.0, due - time.monotonic()))
        with lock:
            if data:
                session.receive_data(data, time.monotonic())
            session.handle_timeout(time.monotonic())
            pieces = session.data_to_send()
        for piece in pieces:
            medium.send(piece)


def _closes(session: Session) -> bool:
    """Whether the session wants to close the medium; what else it tells is for those who push."""
    while (event := session.next_event()) is not None:
        if isinstance(event, Close):
            return True
    return False
