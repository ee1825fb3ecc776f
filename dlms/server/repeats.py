"""A request that comes twice because the layer below doubles datagrams: it is carried out once, and answered again.

A repeat is the last request of the same client, octet for octet, within `REPEAT_S` of its first coming.  That tells it from
a further request where the invoke-id changes from one to the next.  A client that always says the same invoke-id (there are
some) cannot be told apart from a line that doubles: what it asks for a second time within `REPEAT_S` is taken for a repeat,
unless it has asked for anything else in between.  Therefore only what must not happen twice is remembered: reads are
answered afresh, and so is Write with short names, which has no invoke-id at all.  The blocks of general block transfer look
after themselves.
"""

from __future__ import annotations

import dataclasses

from dlms.apdu import (
    AccessRequest,
    GeneralBlockTransfer,
    GetRequestNormal,
    GetRequestWithList,
    ReadRequest,
    UnconfirmedWriteRequest,
    WriteRequest,
    decode_apdu,
)
from dlms.apdu.access import AccessGet, AccessGetWithSelection
from dlms.errors import DlmsError
from dlms.limits import RESPONSE_TIMEOUT_S

REPEAT_S = RESPONSE_TIMEOUT_S
"""How long a request may come again: after the budget of its exchange whoever sent it has given it up."""
_AFRESH = (
    GetRequestNormal.prefix,
    GetRequestWithList.prefix,
    GeneralBlockTransfer.prefix,
    ReadRequest.prefix,
    WriteRequest.prefix,
    UnconfirmedWriteRequest.prefix,
)
_NUMBERED = (b"\x05\x01\x05", b"\x05\x01\x06", b"\x06\x01\x07")
"""A Read or Write with one variable that is a block: its number tells a repeat from the next one."""
_READS = AccessGet | AccessGetWithSelection


@dataclasses.dataclass(slots=True)
class Repeats:
    """The last request of one client that must not happen twice, and what it was answered with."""

    _request: bytes = b""
    _answers: list[bytes] = dataclasses.field(default_factory=list)
    _until: float = 0.0

    def again(self, request: bytes, now: float) -> list[bytes] | None:
        """The answers of a repeat, None for what is to be served."""
        if not self._request or request != self._request or now >= self._until:
            return None
        return self._answers

    def answered(self, request: bytes, answers: list[bytes], now: float) -> None:
        """A request has been served; it takes the place of the one before, be it that it may well happen twice."""
        self._request, self._answers, self._until = b"", [], 0.0
        if _once(request):
            self._request, self._answers, self._until = request, answers, now + REPEAT_S


def _once(request: bytes) -> bool:
    """Whether a request must not be carried out twice."""
    if request.startswith(_NUMBERED):
        return True
    if request.startswith(AccessRequest.prefix):
        return not _only_reads(request)
    return not request.startswith(_AFRESH)


def _only_reads(request: bytes) -> bool:
    try:
        apdu = decode_apdu(request)
    except DlmsError:
        return True  # it has changed nothing
    return isinstance(apdu, AccessRequest) and all(isinstance(one, _READS) for one in apdu.specifications)
