"""Requests that come twice because the layer below doubles or delays datagrams: carried out once, answered again.

A repeat is a request of the same client, octet for octet, within `REPEAT_S` of its first coming.  What must not happen twice
is remembered with its answers: what has written, called or proved something, the blocks of a transfer, what opens or closes
an association, and everything under protection.  Other reads are answered afresh.

What tells a repeat from the same request made again:

- The invoke-id.  A request with another one leaves the memory of this one alone; a different request with the same one ends
  it, for the client has come round to it.  `REMEMBERED` requests later it is forgotten in any case: from then on the client
  may come round to the very same request.
- Read and Write have no invoke-id, and some clients always say the same.  Both are treated alike: the memory of a request
  lasts until the client asks for anything else.  The same Write twice in a row within `REPEAT_S` is therefore one Write, and
  a copy that the client's next request has overtaken is carried out again: a client that switches something on, off and on
  again is believed.  Our own client reads something between two equal Writes.  A Write in blocks is the same if all its
  blocks are.
- Under protection the invocation counter makes the octets of every request its own, so that nothing ends the memory of one
  but its age.
- An AARQ is a repeat as long as nothing was asked in the association that it opened; under protection even then.  After
  that, and after a release, it opens the association anew.

A release ends the memory of all that came before.  The blocks of general block transfer look after themselves; the request
that they carry is remembered as if it had come whole.
"""

from __future__ import annotations

import dataclasses

from dlms.acse import Aarq, Rlrq
from dlms.apdu import (
    AccessRequest,
    ActionRequestWithFirstPblock,
    ActionRequestWithListAndFirstPblock,
    SetRequestWithFirstDatablock,
    SetRequestWithListAndFirstDatablock,
    decode_apdu,
)
from dlms.apdu.protected import ENVELOPE_TAGS
from dlms.apdu.short_name import (
    ReadDataBlockAccess,
    ReadRequest,
    UnconfirmedWriteRequest,
    WriteDataBlockAccess,
    WriteRequest,
)
from dlms.errors import DlmsError
from dlms.invoke_ids import CONTINUATIONS, REMEMBERED
from dlms.limits import MAX_APDU, RESPONSE_TIMEOUT_S

REPEAT_S = RESPONSE_TIMEOUT_S
"""How long a request may come again: after the budget of its exchange whoever sent it has given it up."""
MAX_OCTETS = 2 * MAX_APDU
"""Octets of the requests and answers that are remembered of one client; the last one is in any case."""

_FIRST = (
    SetRequestWithFirstDatablock,
    SetRequestWithListAndFirstDatablock,
    ActionRequestWithFirstPblock,
    ActionRequestWithListAndFirstPblock,
)
_NUMBERED = (b"\x05\x01\x05", b"\x05\x01\x06", b"\x06\x01\x07")
"""A Read or Write with one variable that is a block, or asks for one."""
_BLOCKS = (*(of.prefix for of in CONTINUATIONS), *_NUMBERED, *(of.prefix for of in _FIRST))
_SHORT_NAMES = (ReadRequest.prefix, WriteRequest.prefix, UnconfirmedWriteRequest.prefix)
_FIRST_PREFIXES = frozenset(of.prefix for of in _FIRST)
_ENVELOPES = frozenset(bytes((tag,)) for tag in ENVELOPE_TAGS)
_SERVICES = frozenset(b"\xc0\xc1\xc3")
"""The tags of GET, SET and ACTION."""
_ACSE = (Aarq.prefix, Rlrq.prefix)


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """What a request was answered with; `number` is what tells it from others, `turn` how many were before it."""

    answers: list[bytes]
    number: object
    turn: int
    until: float


class Repeats:
    """What one client has asked for lately that must not happen twice."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Kept] = {}
        """The oldest first."""
        self._octets = self._turn = 0
        self._number: object = None
        self._unused_until = 0.0
        self._held: list[bytes] = []
        """Blocks from the first one on that were taken for repeats, and may yet turn out to be another transfer's."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def octets(self) -> int:
        """Octets of all that is remembered."""
        return self._octets

    def again(self, request: bytes, now: float) -> list[bytes] | None:
        """The answers of a repeat, None for what is to be served."""
        kept = self._kept.get(request)
        if kept is None or now >= kept.until or self._turn - kept.turn > REMEMBERED:
            return None
        number = _block_number(request)
        if number == 1:
            self._held = [request]
        elif self._held and number == len(self._held) + 1:
            self._held.append(request)
        return kept.answers

    def held_back(self, request: bytes) -> list[bytes]:
        """What must be served before `request`: the blocks before it, where all of them seemed to be repeats and it is none."""
        held, self._held = self._held, []
        number = _number(request)
        if not held or _number(held[0]) != number or _block_number(request) != len(held) + 1:
            return []
        self._forget([one for one, kept in self._kept.items() if kept.number == number and one not in held])
        return held

    def unused(self, now: float) -> bool:
        """Whether the last AARQ has just come, and nothing since."""
        return now < self._unused_until

    def answered(self, request: bytes, answers: list[bytes], now: float, *, once: bool) -> None:
        """A request has been served; `once` when it has done something."""
        number = _number(request)
        if number != self._number:
            self._number, self._turn = number, self._turn + 1
        self._unused_until = 0.0
        enveloped, in_blocks = request[:1] in _ENVELOPES, request.startswith(_BLOCKS)
        if not enveloped:
            self.closed()
        if not in_blocks or _begins(request):
            self._forget([one for one, kept in self._kept.items() if kept.number == number])
        if once or in_blocks or enveloped:
            self._keep(request, answers, number, now)

    def opened(self, request: bytes, answers: list[bytes], now: float) -> None:
        """An AARQ has opened the association."""
        self._forget([one for one in self._kept if one.startswith(_ACSE)])
        self._keep(request, answers, request, now)
        self._unused_until = now + REPEAT_S

    def closed(self) -> None:
        """The association is not as the last AARQ has left it: that would open it anew."""
        self._unused_until = 0.0
        self._forget([one for one in self._kept if one.startswith(Aarq.prefix)])

    def released(self, request: bytes, answers: list[bytes], now: float) -> None:
        """The client has closed the association."""
        self._unused_until = 0.0
        self._forget(list(self._kept))
        self._keep(request, answers, request, now)

    def _keep(self, request: bytes, answers: list[bytes], number: object, now: float) -> None:
        self._forget([request])
        self._kept[request] = Kept(answers, number, self._turn, now + REPEAT_S)
        self._octets += _size(request, answers)
        for oldest in list(self._kept)[:-1]:
            if now < self._kept[oldest].until and len(self) <= REMEMBERED and self._octets <= MAX_OCTETS:
                break
            self._forget([oldest])

    def _forget(self, requests: list[bytes]) -> None:
        for request in requests:
            if (kept := self._kept.pop(request, None)) is not None:
                self._octets -= _size(request, kept.answers)


def _size(request: bytes, answers: list[bytes]) -> int:
    return len(request) + sum(map(len, answers))


def _number(request: bytes) -> object:
    """What tells a request from others of its client: the invoke-id, that there is none, or all that it is."""
    if request[:1] in _SHORT_NAMES:
        return None
    if request[:1] == AccessRequest.prefix:
        return request[1:5]
    return request[2] & 0x0F if len(request) > 2 and request[0] in _SERVICES else request


def _begins(request: bytes) -> bool:
    """Whether this block is the first of its transfer."""
    if request[:1] in _SHORT_NAMES:
        return request[2] != 5 and request[4:6] == b"\0\1"
    return request[:2] in _FIRST_PREFIXES


def _block_number(request: bytes) -> int | None:
    """The number of the block that a long request comes in, None for what is none."""
    if not request.startswith(_BLOCKS):
        return None
    try:
        apdu = decode_apdu(request)
    except DlmsError:
        return None
    match apdu:
        case ReadRequest([ReadDataBlockAccess() as block]) | WriteRequest([WriteDataBlockAccess() as block], _):
            return block.block_number
    return getattr(getattr(apdu, "block", None), "block_number", None)
