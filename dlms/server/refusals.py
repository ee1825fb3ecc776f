"""What a server answers to an APDU that it cannot serve.  Green Book; abstract test cases APPL_IDLE_N1 and APPL_DATA_*.

With logical names that is an exception-response.  With short names it is a data-access-error where a Read or a Write
cannot be understood, and a confirmed-service-error where the service is not allowed; what needs no answer gets none.
"""

from __future__ import annotations

import enum

from dlms.apdu.errors import ConfirmedService, ConfirmedServiceError, ErrorClass, ExceptionResponse
from dlms.apdu.short_name import (
    DataAccessError,
    InformationReportRequest,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    WriteRequest,
    WriteResponse,
)
from dlms.codec import encode
from dlms.enums import AccessResult, ServiceError, StateError
from dlms.errors import DecodeError, DlmsError, RemoteProtocolError, SecurityError
from dlms.security.counters import CounterError


class AnswerTooLong(DlmsError):
    """The client could not be told how its request went; nothing of it has been carried out."""


class Fault(enum.Enum):
    """Why an APDU is not served: the two codes of an exception-response, the two of a confirmed-service-error."""

    UNKNOWN = (StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED, ErrorClass.SERVICE, 2)
    """It cannot be understood (service-unsupported)."""
    NOT_ALLOWED = (StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE, ErrorClass.SERVICE, 2)
    """The service was not negotiated, or does not belong to the context (service-unsupported)."""
    NO_ASSOCIATION = (
        StateError.SERVICE_NOT_ALLOWED,
        ServiceError.OPERATION_NOT_POSSIBLE,
        ErrorClass.VDE_STATE_ERROR,
        1,
    )
    """There is no association (no-dlms-context)."""
    TOO_LONG = (StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG, ErrorClass.SERVICE, 1)
    """It is longer than what was negotiated, or its answer would be (pdu-size)."""
    DECIPHERING = (StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR, ErrorClass.SERVICE, 0)
    """Its protection is wrong, or weaker than what is wanted."""
    COUNTER = (StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, ErrorClass.SERVICE, 0)
    """Its invocation counter was used before."""
    OTHER = (StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON, ErrorClass.SERVICE, 0)


def fault_of(error: DlmsError) -> Fault:
    """How an error of a request is answered."""
    match error:
        case DecodeError():
            return Fault.UNKNOWN
        case CounterError():
            return Fault.COUNTER
        case SecurityError():
            return Fault.DECIPHERING
        case AnswerTooLong():
            return Fault.TOO_LONG
        case RemoteProtocolError():
            return Fault.NOT_ALLOWED
    return Fault.OTHER


_UNCONFIRMED = (UnconfirmedWriteRequest.prefix, InformationReportRequest.prefix)
_SERVICES = {
    b"\x60": ConfirmedService.INITIATE_ERROR,
    b"\x62": ConfirmedService.INITIATE_ERROR,
    ReadRequest.prefix: ConfirmedService.READ,
    b"\xc0": ConfirmedService.READ,
}
"""First octet of a request -> the service that has failed; the write service for all others."""


def refusal(data: bytes, fault: Fault, *, short_names: bool, counter: int | None = None) -> list[bytes]:
    """The answer to the APDU `data`, none where none is due; `counter` is the lowest that would be accepted."""
    state_error, service_error, error_class, value = fault.value
    if not short_names:
        return [encode(ExceptionResponse(int(state_error), int(service_error), counter))]
    tag = data[:1]
    if tag in _UNCONFIRMED:
        return []
    if fault is Fault.UNKNOWN and tag == ReadRequest.prefix:
        return [encode(ReadResponse([DataAccessError(int(AccessResult.OTHER_REASON))]))]
    if fault is Fault.UNKNOWN and tag == WriteRequest.prefix:
        return [encode(WriteResponse([DataAccessError(int(AccessResult.OTHER_REASON))]))]
    service = _SERVICES.get(tag, ConfirmedService.WRITE)
    return [encode(ConfirmedServiceError(int(service), int(error_class), int(value)))]
