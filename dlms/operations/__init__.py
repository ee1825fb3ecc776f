"""Operations: what a client does, as generators over plain service APDUs.

An operation yields a `Request` and receives the decoded reply.  It knows no invoke-id, protection, general block, retry or
time; a refusal, a timeout or a lost line is thrown into it.  It never yields while it is being closed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import TypeVar

from dlms.codec import Record

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One APDU to send and the kinds of reply that answer it.

    `read_only` requests may be repeated after a timeout; the outcome of others is unknown then.
    `replies` are the records that answer it: the first whose prefix fits is what the reply is decoded as.  Without any it
    is unconfirmed: the operation goes on, with None, as soon as it is sent.
    """

    apdu: Record
    replies: tuple[type[Record], ...]
    read_only: bool = True


Operation = Generator[Request, Record, T]
