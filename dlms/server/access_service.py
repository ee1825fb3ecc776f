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
from dlms.codec import ABSENT, Record, Refusal
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.limits import MAX_LIST, MAX_TRANSFER
from dlms.server.reach import Reach

SELF_DESCRIPTIVE, BREAK_ON_ERROR, CONFIRMED = 1 << 28, 1 << 29, 1 << 30
_NOT_DONE = int(AccessResult.OTHER_REASON)


class AccessService:
    """Answers ACCESS.  A request of the unconfirmed service class is carried out and not answered."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def access(self, request: AccessRequest) -> Record | None:
        """Each element in order; a refused one does not stop the others unless the request says so.

        Nothing is done when there is not one data for each specification, or more than `MAX_LIST` of them.
        """
        flags, count = request.long_invoke_id_and_priority, len(request.specifications)
        whole = count == len(request.data) and count <= MAX_LIST
        data: list[Any] = []
        results: list[Record] = []
        going = whole
        for number, specification in enumerate(request.specifications):
            value, result = self._one(specification, request.data[number]) if going else (None, _NOT_DONE)
            going = going and not (flags & BREAK_ON_ERROR and result != AccessResult.SUCCESS)
            data.append(value)
            results.append(_RESULTS[type(specification)](result))
        if not flags & CONFIRMED:
            return None
        described = request.specifications if flags & SELF_DESCRIPTIVE else None
        return AccessResponse(flags, b"", described, data, results)

    def _one(self, specification: Record, value: Any) -> tuple[Any, int]:
        match specification:
            case AccessGet(attribute):
                return self._get(attribute, None)
            case AccessGetWithSelection(attribute, access):
                return self._get(attribute, access)
            case AccessSet(attribute):
                return None, int(self._reach.write(attribute, None, value))
            case AccessSetWithSelection(attribute, access):
                return None, int(self._reach.write(attribute, access, value))
            case AccessAction(method):
                done = self._reach.call(method, value)
                returned = done.return_parameters
                return (None if returned is ABSENT or isinstance(returned, Refusal) else returned), done.result
        raise TypeError(f"{specification!r} is no element of ACCESS")

    def _get(self, attribute: Any, access: Any) -> tuple[Any, int]:
        try:
            payload = self._reach.read(attribute, access)
            encoded = payload.take(MAX_TRANSFER)
            if not payload.fits(0):
                raise AccessError(AccessResult.DATA_BLOCK_UNAVAILABLE)
        except AccessError as refusal:
            return None, int(refusal.result)
        return cosem_data.decode(encoded), int(AccessResult.SUCCESS)


_RESULTS: dict[type[Record], type[AccessGetResult] | type[AccessSetResult] | type[AccessActionResult]] = {
    AccessGet: AccessGetResult,
    AccessGetWithSelection: AccessGetResult,
    AccessSet: AccessSetResult,
    AccessSetWithSelection: AccessSetResult,
    AccessAction: AccessActionResult,
}
