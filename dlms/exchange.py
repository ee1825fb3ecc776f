"""One exchange: the request on the line, and which of the APDUs that arrive answers it."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

from dlms import apdu as services
from dlms.acse import Aarq, Rlrq
from dlms.association import KINDS, Kind
from dlms.codec import Record
from dlms.enums import AccessResult
from dlms.errors import (
    DlmsError,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
    SecurityError,
    ServiceRefused,
)
from dlms.invoke_ids import CONTINUATIONS, answered
from dlms.operations import Operation, Request

T = TypeVar("T")

REFUSALS: tuple[type[Record], ...] = (services.ExceptionResponse, services.ConfirmedServiceError)
"""Answers that name no request."""
BROKEN_TRANSFER = (
    AccessResult.LONG_GET_ABORTED,
    AccessResult.NO_LONG_GET_IN_PROGRESS,
    AccessResult.LONG_SET_ABORTED,
    AccessResult.NO_LONG_SET_IN_PROGRESS,
    AccessResult.DATA_BLOCK_NUMBER_INVALID,
)
"""What a server says to a block that comes out of order, which may be one that comes twice."""


class Ticket(Generic[T]):
    """One operation under way: `done`, then `result()`.  `invoke_id` is that of its last request.

    What it sends without waiting for an answer goes under the broadcast key where it is a `broadcast`.
    """

    def __init__(
        self, operation: Operation[T], timeout_s: float, *, high_priority: bool = True, broadcast: bool = False
    ) -> None:
        self.operation = operation
        self.timeout_s = timeout_s
        self.high_priority, self.broadcast = high_priority, broadcast
        self.invoke_id: int | None = None
        self.done = False
        self.abandoned = False
        self._value: T | None = None
        self._error: DlmsError | None = None

    def result(self) -> T:
        """What the operation returned.  Raises the error that ended it, or LocalProtocolError while it still runs."""
        if not self.done:
            raise LocalProtocolError("the operation is still running")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def finish(self, value: T | None, error: DlmsError | None = None) -> None:
        """Set the outcome, once."""
        if not self.done:
            self.done, self._value, self._error = True, value, error


@dataclasses.dataclass(slots=True)
class Exchange:
    """A request on the line: whose it is, how its reply is recognised, until when it is waited for.

    One that is `alone` has the line to itself.
    """

    ticket: Ticket[Any]
    request: Request
    invoke_id: int | None
    deadline: float
    alone: bool = True
    repeat_at: list[float] = dataclasses.field(default_factory=list)
    """When it is asked again, the next time last; empty when it is not."""
    blocks: int = 0
    """The most general blocks of an answer that have come: with each more it has its time again."""
    earlier: tuple[int | None, ...] = ()
    """The invoke-ids of the tries before this one."""
    again: bool = False
    """Whether it is asked by itself because an answer among several named nobody."""
    unopened: int = 0
    """Envelopes that came meanwhile, could not be opened, and may have held the answer."""
    doubt: DlmsError | None = None
    """What came instead of an answer: it explains why there is none when time is up."""

    @property
    def invoke_ids(self) -> tuple[int | None, ...]:
        """The invoke-ids of all tries."""
        return (self.invoke_id, *self.earlier)

    @property
    def nameless(self) -> bool:
        """Whether nothing tells its answer from that to another request: short names have no invoke-ids."""
        return self.invoke_id is None and KINDS.get(type(self.request.apdu)) is Kind.REQUEST

    def answered_by(self, data: bytes, apdu: Record, *, reliable: bool) -> bool:
        """Whether this is the reply that is waited for: same invoke-id, where there is one, and not to an earlier block.

        What names no request is judged elsewhere: see `dlms.outstanding`.
        """
        return self._same_invoke_id(data, apdu) and (reliable or not _outdated(apdu, self.request.apdu))

    def numbered(self, data: bytes) -> bool:
        """Whether an encoded answer has the invoke-id of one of the tries."""
        number = answered(data, self.request.apdu)
        return number is not None and number in self.invoke_ids

    def _same_invoke_id(self, data: bytes, apdu: Record) -> bool:
        if self.invoke_id is None:
            return isinstance(apdu, self.request.replies)
        if isinstance(apdu, services.GetResponseWithDatablock):
            return data[2] & 0x0F == self.invoke_id  # the server has begun the transfer anew since the earlier tries
        return self.numbered(data)

    def reply(self, apdu: Record, *, reliable: bool) -> Record | DlmsError:
        """What the operation receives: the reply, or the error that it stands for.

        A wrong answer tells nothing of what became of something that changes something, nor does, where APDUs come twice, a
        refusal that may be that of a copy.
        """
        reply = _reply(apdu, self.request)
        if isinstance(reply, RemoteProtocolError) and not self.request.read_only:
            unknown = OutcomeUnknown(f"the answer could not be understood: {reply}")
            unknown.__cause__ = reply
            return unknown
        if reliable or self.request.read_only:
            return reply
        if isinstance(reply, ServiceRefused) or _result(reply) in BROKEN_TRANSFER:
            return OutcomeUnknown(f"nothing tells which request was refused: {apdu}")
        return reply


def goes_alone(request: Request) -> bool:
    """Whether no other request may be under way beside this one: it changes something, or goes on with a transfer."""
    return not request.read_only or isinstance(request.apdu, (*CONTINUATIONS, Aarq, Rlrq))


def unfinished(apdu: Record) -> bool:
    """Whether this is an answer that stands for more to come."""
    block = getattr(apdu, "block", None)
    return block is not None and not block.last_block


def loss(exchange: Exchange, reason: str, *, silence: bool) -> DlmsError:
    """The error of an exchange that has no answer; in a `silence` of the peer, what came instead of one explains it."""
    doubt, kind = exchange.doubt if silence else None, LinkError
    if doubt is not None:
        reason = f"{reason}; what came meanwhile: {doubt}"
    if not exchange.request.read_only:
        kind = OutcomeUnknown
    error = SecurityError(reason) if kind is LinkError and isinstance(doubt, SecurityError) else kind(reason)
    error.__cause__ = doubt
    return error


def repeatable(request: Request, invoke_id: int | None) -> bool:
    """Whether a second try does no harm, and its answer is told from that to another request."""
    if isinstance(request.apdu, Aarq):
        return True  # a server opens the association anew
    return request.read_only and invoke_id is not None and not isinstance(request.apdu, CONTINUATIONS)


def _outdated(apdu: Record, request: Record) -> bool:
    """Whether this answers an earlier block of the same transfer."""
    asked, answered = _block_number(request), _block_number(apdu)
    if asked is None or answered is None:
        return False
    return answered < asked + isinstance(request, services.GetRequestNext | services.ActionRequestNextPblock)


def _block_number(apdu: Record) -> int | None:
    block = getattr(apdu, "block", apdu)
    return getattr(block, "block_number", None)


def _result(reply: Record | DlmsError) -> int | None:
    return getattr(getattr(reply, "response", reply), "result", None)


def _reply(apdu: Record, request: Request) -> Record | DlmsError:
    """The reply, or the error that it stands for."""
    if isinstance(apdu, REFUSALS):
        return ServiceRefused(str(apdu))
    if not isinstance(apdu, request.replies):
        return RemoteProtocolError(f"{apdu.wire_name()} in answer to {request.apdu.wire_name()}")
    return apdu
