"""Every error that dlms raises on purpose, named after whose fault it is.

DlmsError
+-- LocalProtocolError      yours: nothing was sent
+-- RemoteProtocolError     theirs
|   +-- DecodeError         bytes that do not follow their layout (also a ValueError)
|   +-- SecurityError       a tag, a counter, a challenge or a policy is wrong
+-- AssociationRefused      the peer does not want this association; the diagnostic says why
+-- ServiceRefused          the peer answered with an exception-response or a confirmed-service-error
+-- AccessError             a plain refusal with its result code: the association lives on
+-- ReturnLost              a method was carried out, but what it returned was not told
+-- LinkError               the line: cut, silent, or the link layer gave up
+-- OutcomeUnknown          sent, no answer: it may or may not have happened
"""

from __future__ import annotations

import enum

from dlms.enums import AccessResult, label


def excerpt(data: bytes, offset: int) -> str:
    """The bytes around `offset` as hex, the one at `offset` in brackets."""
    start = max(0, offset - 4)
    before, after = data[start:offset].hex(" "), data[offset + 1 : offset + 8].hex(" ")
    here = f"[{data[offset]:02x}]" if offset < len(data) else "[end]"
    return " ".join(part for part in ("..." if start else "", before, here, after) if part)


class DlmsError(Exception):
    """Root: catch this to catch everything that dlms raises on purpose."""


class LocalProtocolError(DlmsError):
    """You asked for something that is not allowed now, or that cannot be encoded. Nothing was sent."""


class RemoteProtocolError(DlmsError):
    """The peer sent something that it must not send."""


class DecodeError(RemoteProtocolError, ValueError):
    """Bytes that do not follow their layout.

    `offset` is where decoding stopped, `data` the bytes it looked at; the message shows those around the offset.
    """

    def __init__(self, what: str, data: bytes = b"", offset: int | None = None) -> None:
        self.what, self.data, self.offset = what, bytes(data), offset
        where = "" if offset is None else f" at offset {offset} of {len(self.data)}: {excerpt(self.data, offset)}"
        super().__init__(what + where)


class SecurityError(RemoteProtocolError):
    """An authentication tag, an invocation counter, a challenge or a protection level is wrong."""


class AssociationRefused(DlmsError):
    """The peer refused the association; `result` and `diagnostic` are those of its AARE."""

    def __init__(self, message: str, result: int | None = None, diagnostic: int | None = None) -> None:
        super().__init__(message)
        self.result, self.diagnostic = result, diagnostic


class ServiceRefused(DlmsError):
    """The peer answered a service with an exception-response or a confirmed-service-error."""


class AccessError(DlmsError):
    """The peer said no to one attribute or method: `result` tells why. The association goes on.

    `codes` names what the result may be: `AccessResult`, or `ActionCode` where a method was called.
    """

    def __init__(self, result: int, of: object = None, codes: type[enum.IntEnum] = AccessResult) -> None:
        self.result, self.of = result, of
        super().__init__(label(codes, result) + ("" if of is None else f": {of}"))


class ReturnLost(DlmsError):
    """A method was carried out, and what it returned could not be told: to call it again would do it twice.

    `of` is the method, `why` what is wrong with its answer; `result` is the code that the peer put in the place of what was
    returned, None where there was none.  The association goes on.
    """

    def __init__(self, of: object, why: object, result: int | None = None) -> None:
        self.of, self.result = of, result
        super().__init__(f"carried out, but what {of} returned was not told: {why}")


class LinkError(DlmsError):
    """The layer below failed: unreachable, cut, or silent for too long."""


class OutcomeUnknown(LinkError):
    """A request was sent and no answer came: it may or may not have been carried out."""
