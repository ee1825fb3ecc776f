"""The xDLMS APDUs: one file a service family, one registry for all."""

from __future__ import annotations

from dlms.apdu.access import AccessRequest, AccessResponse
from dlms.apdu.action import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
)
from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.apdu.errors import ConfirmedServiceError, ExceptionResponse
from dlms.apdu.gateway import GatewayRequest, GatewayResponse
from dlms.apdu.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
)
from dlms.apdu.initiate import InitiateRequest, InitiateResponse
from dlms.apdu.notification import DataNotification, DataNotificationConfirm, EventNotificationRequest
from dlms.apdu.protected import (
    PLAIN,
    GeneralCiphering,
    GeneralDedCiphering,
    GeneralGloCiphering,
    GeneralSigning,
    ServiceCiphered,
)
from dlms.apdu.set import (
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from dlms.apdu.short_name import (
    InformationReportRequest,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    WriteRequest,
    WriteResponse,
)
from dlms.codec import Record, decode_behind
from dlms.errors import DecodeError

APDUS: tuple[type[Record], ...] = (
    InitiateRequest,
    InitiateResponse,
    ConfirmedServiceError,
    DataNotification,
    DataNotificationConfirm,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
    UnconfirmedWriteRequest,
    InformationReportRequest,
    GetRequestNormal,
    GetRequestNext,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    SetRequestNormal,
    SetRequestWithFirstDatablock,
    SetRequestWithDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponseNormal,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseWithList,
    EventNotificationRequest,
    ActionRequestNormal,
    ActionRequestNextPblock,
    ActionRequestWithList,
    ActionRequestWithFirstPblock,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNormal,
    ActionResponseWithPblock,
    ActionResponseWithList,
    ActionResponseNextPblock,
    ExceptionResponse,
    AccessRequest,
    AccessResponse,
    GeneralGloCiphering,
    GeneralDedCiphering,
    GeneralCiphering,
    GeneralSigning,
    GeneralBlockTransfer,
    GatewayRequest,
    GatewayResponse,
)
"""Every APDU with a tag of its own; the glo- and ded- tags share `ServiceCiphered`."""

BY_PREFIX: dict[bytes, type[Record]] = {apdu.prefix: apdu for apdu in APDUS} | {
    bytes((tag,)): ServiceCiphered for tag in PLAIN
}


def apdu_class(data: bytes) -> type[Record]:
    """The record that `data` must be, by its first octets.  Raises DecodeError for a tag that is none of ours."""
    found = BY_PREFIX.get(data[:2]) or BY_PREFIX.get(data[:1])
    if found is None:
        raise DecodeError(f"no APDU starts with {data[:2].hex() or 'nothing'}", data, 0)
    return found


def decode_apdu(data: bytes, *, strict: bool = True) -> Record:
    """Decode any xDLMS APDU.  Raises DecodeError with the offset for anything else."""
    return decode_behind(apdu_class(data), data, strict)


__all__ = [
    "APDUS",
    "AccessRequest",
    "AccessResponse",
    "ActionRequestNextPblock",
    "ActionRequestNormal",
    "ActionRequestWithFirstPblock",
    "ActionRequestWithList",
    "ActionRequestWithListAndFirstPblock",
    "ActionRequestWithPblock",
    "ActionResponseNextPblock",
    "ActionResponseNormal",
    "ActionResponseWithList",
    "ActionResponseWithPblock",
    "BY_PREFIX",
    "ConfirmedServiceError",
    "DataNotification",
    "DataNotificationConfirm",
    "EventNotificationRequest",
    "ExceptionResponse",
    "GatewayRequest",
    "GatewayResponse",
    "GeneralBlockTransfer",
    "GeneralCiphering",
    "GeneralDedCiphering",
    "GeneralGloCiphering",
    "GeneralSigning",
    "GetRequestNext",
    "GetRequestNormal",
    "GetRequestWithList",
    "GetResponseNormal",
    "GetResponseWithDatablock",
    "GetResponseWithList",
    "InformationReportRequest",
    "InitiateRequest",
    "InitiateResponse",
    "ReadRequest",
    "ReadResponse",
    "ServiceCiphered",
    "SetRequestNormal",
    "SetRequestWithDatablock",
    "SetRequestWithFirstDatablock",
    "SetRequestWithList",
    "SetRequestWithListAndFirstDatablock",
    "SetResponseDatablock",
    "SetResponseLastDatablock",
    "SetResponseLastDatablockWithList",
    "SetResponseNormal",
    "SetResponseWithList",
    "UnconfirmedWriteRequest",
    "WriteRequest",
    "WriteResponse",
    "apdu_class",
    "decode_apdu",
]
