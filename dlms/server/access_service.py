"""ACCESS on the server: a list of reads, writes and calls, carried out in order.  Green Book, ACCESS service."""

from __future__ import annotations

from typing import Any

from dlms import data as cosem_data
from dlms.apdu.access import (
    AccessAction,
    AccessActionResult,
    AccessGet,
    AccessGetResult,
    AccessGetWithSelection,
    AccessRequest,
    AccessResponse,
    AccessSet,
    AccessSetResult,
    AccessSetWithSelection,
)
from dlms.apdu.attribute import CosemMethodDescriptor
from dlms.codec import ABSENT, Record, encode
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, DecodeError
from dlms.limits import MAX_LIST, MAX_TRANSFER
from dlms.server.reach import Reach
from dlms.server.refusals import AnswerTooLong

SELF_DESCRIPTIVE, BREAK_ON_ERROR, CONFIRMED = 1 << 28, 1 << 29, 1 << 30
_NOT_DONE = int(AccessResult.OTHER_REASON)


class AccessService:
    """Answers ACCESS within `limit` octets.  A request of the unconfirmed service class is carried out and not answered.

    A read whose value has no room is refused in its place (data-block-unavailable), the others are not.  Its results have
    no room for the outcome of a method without what it returned: where general blocks are not there to carry that, only
    methods that return nothing are called.
    """

    def __init__(self, reach: Reach, limit: int) -> None:
        self._reach, self._limit = reach, limit
        self._in_blocks = Conformance.GENERAL_BLOCK_TRANSFER in reach.context.negotiated.conformance

    def access(self, request: AccessRequest) -> Record | None:
        """Each element in order; a refused one does not stop the others unless the request says so.

        Nothing is done when there is not one data for each specification, or more than `MAX_LIST` of them.  Raises
        AnswerTooLong, and nothing is done, when the results alone have no room.
        """
        flags, count = request.long_invoke_id_and_priority, len(request.specifications)
        whole = count == len(request.data) and count <= MAX_LIST
        left = self._room(request) if flags & CONFIRMED else MAX_TRANSFER
        data: list[Any] = []
        results: list[Record] = []
        going = whole
        for number, specification in enumerate(request.specifications):
            value, result = self._one(specification, request.data[number], left) if going else (None, _NOT_DONE)
            going = going and not (flags & BREAK_ON_ERROR and result != AccessResult.SUCCESS)
            left -= _beyond_null(value)
            data.append(value)
            results.append(_RESULTS[type(specification)](result))
        return _response(request, data, results) if flags & CONFIRMED else None

    def _room(self, request: AccessRequest) -> int:
        """Octets that are left for values beside an answer of null-data and results."""
        specifications = request.specifications
        results: list[Record] = [_RESULTS[type(one)](_NOT_DONE) for one in specifications]
        size = len(encode(_response(request, [None] * len(specifications), results)))
        if size > self._limit:
            raise AnswerTooLong(f"the results of {len(results)} elements take {size} octets, {self._limit} can be told")
        return self._limit - size

    def _one(self, specification: Record, value: Any, left: int) -> tuple[Any, int]:
        match specification:
            case AccessGet(attribute):
                return self._get(attribute, None, left)
            case AccessGetWithSelection(attribute, access):
                return self._get(attribute, access, left)
            case AccessSet(attribute):
                return None, int(self._reach.write(attribute, None, value))
            case AccessSetWithSelection(attribute, access):
                return None, int(self._reach.write(attribute, access, value))
            case AccessAction(method):
                return self._call(method, value, left)
        raise TypeError(f"{specification!r} is no element of ACCESS")

    def _get(self, attribute: Any, access: Any, left: int) -> tuple[Any, int]:
        try:
            payload = self._reach.read(attribute, access)
            if not payload.fits(left + 1):
                raise AccessError(AccessResult.DATA_BLOCK_UNAVAILABLE)
            return cosem_data.decode(payload.take(left + 1)), int(AccessResult.SUCCESS)
        except AccessError as refusal:
            return None, int(refusal.result)
        except DecodeError:  # more elements than one Data value may have
            return None, int(AccessResult.DATA_BLOCK_UNAVAILABLE)

    def _call(self, method: CosemMethodDescriptor, value: Any, left: int) -> tuple[Any, int]:
        if not self._in_blocks and self._reach.returns(method):
            return None, _NOT_DONE
        done = self._reach.call(method, value)
        returned = done.return_parameters
        told = returned is not ABSENT and _beyond_null(returned) <= left
        return returned if told else None, done.result


def _response(request: AccessRequest, data: list[Any], results: list[Record]) -> AccessResponse:
    flags = request.long_invoke_id_and_priority
    described = request.specifications if flags & SELF_DESCRIPTIVE else None
    return AccessResponse(flags, b"", described, data, results)


def _beyond_null(value: Any) -> int:
    """Octets that a value takes more than null-data."""
    return 0 if value is None else len(cosem_data.encode(value)) - 1


_RESULTS: dict[type[Record], type[AccessGetResult] | type[AccessSetResult] | type[AccessActionResult]] = {
    AccessGet: AccessGetResult,
    AccessGetWithSelection: AccessGetResult,
    AccessSet: AccessSetResult,
    AccessSetWithSelection: AccessSetResult,
    AccessAction: AccessActionResult,
}
