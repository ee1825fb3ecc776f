"""What a connection tells its driver."""

from __future__ import annotations

import dataclasses
from typing import Any

from dlms.codec import Record
from dlms.errors import DlmsError
from dlms.exchange import Ticket


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """An operation has ended; its ticket knows how."""

    ticket: Ticket[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Notification:
    """The server sent something by itself."""

    apdu: Record


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Something arrived that could not be used; nothing was waiting for it."""

    error: DlmsError


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """The line is down; no more will come."""

    reason: str


Event = Finished | Notification | Fault | Closed
