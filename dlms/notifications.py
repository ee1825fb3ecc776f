"""Confirmed notifications: what acknowledges one, and which have come before.  Green Book, DataNotification service."""

from __future__ import annotations

from collections import deque

from dlms.apdu import DataNotification, DataNotificationConfirm
from dlms.codec import Record

KEPT = 16
"""Confirmed notifications that are remembered, the newest ones: a meter repeats one before it goes on to the next."""


def confirmation(apdu: Record) -> DataNotificationConfirm | None:
    """What acknowledges a notification, with its invoke-id; None for one that wants no acknowledgement."""
    if isinstance(apdu, DataNotification) and apdu.confirmed:
        return DataNotificationConfirm(apdu.long_invoke_id_and_priority, b"")
    return None


class Taken:
    """The confirmed notifications of one connection: a meter that did not hear that one was taken sends it again."""

    def __init__(self) -> None:
        self._known: deque[tuple[int, int]] = deque(maxlen=KEPT)

    def is_new(self, confirm: DataNotificationConfirm, data: bytes) -> bool:
        """Whether a notification has not come before: same invoke-id, same octets.  Remembers it."""
        one = confirm.invoke_id, hash(data)
        if one in self._known:
            return False
        self._known.append(one)
        return True
