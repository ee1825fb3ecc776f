"""The names of the ASN.1 module COSEMpdu for what our records declare: derived from theirs, exceptions in small tables.

Rules: a class or field in kebab case is the ASN.1 name; an item of a SEQUENCE OF has the name of its type.  Green Book,
9.5 (abstract syntax) and 9.6 (XML schema).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from dlms.acse import ACSE, Rlre, Rlrq
from dlms.apdu import APDUS, BY_PREFIX
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
from dlms.apdu.action import (
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseWithPblock,
    ActionResult,
)
from dlms.apdu.attribute import SelectiveAccess
from dlms.apdu.errors import ConfirmedService, ConfirmedServiceError, ErrorClass, InitiateError
from dlms.apdu.get import GetRequestWithList, GetResponseWithDatablock
from dlms.apdu.initiate import InitiateRequest, InitiateResponse
from dlms.apdu.notification import EventNotificationRequest
from dlms.apdu.protected import PLAIN, GeneralSigning, ServiceCiphered
from dlms.apdu.set import (
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
)
from dlms.apdu.short_name import (
    BlockNumber,
    DataAccessError,
    InformationReportRequest,
    ReadData,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteRequest,
    WriteResponse,
)
from dlms.codec import Alternatives, Codec, DataValue, Fixed, Nested, Record, ResultOf
from dlms.enums import (
    AccessResult,
    ActionCode,
    Conformance,
    ReleaseRequestReason,
    ReleaseResponseReason,
    ServiceError,
    StateError,
    label,
)
from dlms.errors import LocalProtocolError

Labels = Mapping[int, str]
"""The names of an enumeration's values."""

_CAMEL: frozenset[type[Record]] = frozenset(
    {
        InitiateRequest,
        InitiateResponse,
        ConfirmedServiceError,
        ReadRequest,
        ReadResponse,
        WriteRequest,
        WriteResponse,
        UnconfirmedWriteRequest,
        InformationReportRequest,
    }
)
"""APDUs that COSEMpdu takes over from IEC 61334-4-41, with names in camel case."""

_CHOICES: Mapping[type[Record], str] = {
    AccessGet: "access-request-get",
    AccessSet: "access-request-set",
    AccessAction: "access-request-action",
    AccessGetWithSelection: "access-request-get-with-selection",
    AccessSetWithSelection: "access-request-set-with-selection",
    AccessGetResult: "access-response-get",
    AccessSetResult: "access-response-set",
    AccessActionResult: "access-response-action",
    ReadData: "data",
}
"""Names of alternatives that are not those of our classes."""

TRANSPARENT: frozenset[type[Record]] = frozenset(
    {ReadRequest, ReadResponse, WriteResponse, VariableName, ReadData, DataAccessError, BlockNumber}
)
"""Records that are no SEQUENCE in the ASN.1 module: their one field is the type itself."""

BODIES: Mapping[type[Record], tuple[str, int]] = {
    AccessRequest: ("access-request-body", 2),
    AccessResponse: ("access-response-body", 2),
}
"""Records whose fields from the given place on form a SEQUENCE of their own."""

_FIELDS: Mapping[str, str] = {
    "invoke": "invoke-id-and-priority",
    "attribute": "cosem-attribute-descriptor",
    "method": "cosem-method-descriptor",
    "access": "access-selection",
    "content": "ciphered-content",
    "control": "block-control",
    "response": "single-response",
    "responses": "list-of-responses",
    "results": "result",
    "variables": "variable-access-specification",
    "specifications": "access-request-specification",
    "body": "notification-body",
    "diagnostic": "result-source-diagnostic",
}
"""Names of fields that differ from ours wherever they stand."""

_ACTION = {
    "parameters": "method-invocation-parameters",
    "descriptors": "cosem-method-descriptor-list",
    "block": "pblock",
}
_WRITE = {"values": "list-of-data"}
_GET_SET = {"descriptors": "attribute-descriptor-list", "values": "value-list", "block": "datablock"}

_FIELDS_OF: Mapping[type[Record], Mapping[str, str]] = {
    **dict.fromkeys((ActionRequestNormal, ActionRequestWithList, ActionRequestWithFirstPblock), _ACTION),
    **dict.fromkeys((ActionRequestWithListAndFirstPblock, ActionRequestWithPblock, ActionResponseWithPblock), _ACTION),
    **dict.fromkeys((GetRequestWithList, SetRequestWithList, SetRequestWithListAndFirstDatablock), _GET_SET),
    **dict.fromkeys((SetRequestWithFirstDatablock, SetRequestWithDatablock), _GET_SET),
    **dict.fromkeys((WriteRequest, UnconfirmedWriteRequest, InformationReportRequest), _WRITE),
    GetResponseWithDatablock: {"block": "result"},
    SelectiveAccess: {"selector": "access-selector", "parameters": "access-parameters"},
    EventNotificationRequest: {"value": "attribute-value"},
    GeneralSigning: {"content": "content"},
    AccessRequest: {"data": "access-request-list-of-data"},
    AccessResponse: {"data": "access-response-list-of-data", "results": "access-response-specification"},
    InitiateRequest: {"dlms_version": "proposed-dlms-version-number", "conformance": "proposed-conformance"},
    InitiateResponse: {"dlms_version": "negotiated-dlms-version-number", "conformance": "negotiated-conformance"},
}
"""Names of fields that differ from ours in certain records."""

_ITEMS: Mapping[type[Record], str] = {
    ActionResult: "Action-Response-With-Optional-Data",
    VariableName: "Variable-Access-Specification",
    AccessGet: "Access-Request-Specification",
    AccessGetResult: "Access-Response-Specification",
}
"""Names of the types of items, by the record or the first alternative; a CHOICE without a name is called that."""


def labels_of(kind: type[enum.IntEnum]) -> dict[int, str]:
    """The names of an enumeration's values, as the standard writes them."""
    return {int(member): label(kind, member) for member in kind}


ACCESS_RESULTS: Labels = labels_of(AccessResult)
_ACTION_RESULTS = labels_of(ActionCode)

_LABELS: Mapping[str, Labels] = {
    "result": ACCESS_RESULTS,
    "results": ACCESS_RESULTS,
    "data_access_result": ACCESS_RESULTS,
    "state_error": labels_of(StateError),
    "service_error": labels_of(ServiceError),
}
_LABELS_OF: Mapping[type[Record], Mapping[str, Labels]] = {
    ActionResult: {"result": _ACTION_RESULTS},
    AccessActionResult: {"result": _ACTION_RESULTS},
    Rlrq: {"reason": labels_of(ReleaseRequestReason)},
    Rlre: {"reason": labels_of(ReleaseResponseReason)},
}

SERVICES: Labels = labels_of(ConfirmedService) | {1: "initiateError"}
"""Alternatives of ConfirmedServiceError."""
ERROR_CLASSES: Labels = labels_of(ErrorClass)
"""Alternatives of ServiceError."""
INITIATE_ERRORS: Labels = labels_of(InitiateError) | {4: "refused-by-the-VDE-Handler"}
"""Values of its alternative initiate."""

CONFORMANCE: Mapping[int, str] = {
    1 << 23: "reserved-zero",
    1 << 16: "reserved-seven",
    **{int(bit): str(bit.name).lower().replace("_", "-").replace("attribute-0", "attribute0") for bit in Conformance},
    int(Conformance.PRIORITY_MANAGEMENT_SUPPORTED): "priority-mgmt-supported",
}
"""The named bits of the conformance block, by their value in 24 bits."""


def element_name(of: type[Record]) -> str:
    """The name of an APDU or of an alternative: `initiateRequest`, `get-request-normal`, `aarq`."""
    if of in _CAMEL:
        return of.__name__[0].lower() + of.__name__[1:]
    return _CHOICES.get(of) or of.wire_name().lower()


def family_name(of: type[Record]) -> str | None:
    """The name of the CHOICE around APDUs whose prefix is a tag and a choice, such as `get-request`; None for others."""
    return "-".join(of.wire_name().split("-")[:2]) if len(of.prefix) == 2 else None


def field_name(of: type[Record], field: str) -> str:
    """The name of a field: `access-selection`, `calling-AP-title`."""
    named = _FIELDS_OF.get(of, {}).get(field) or _FIELDS.get(field)
    if named is not None:
        return named
    kebab = field.replace("_", "-")
    return kebab.replace("-ap-", "-AP-").replace("-ae-", "-AE-") if of in ACSE.values() else kebab


def item_name(codec: Codec) -> str:
    """The name of an item of a SEQUENCE OF: that of its type."""
    match codec:
        case Nested(of):
            return _ITEMS.get(of) or "-".join(word.capitalize() for word in of.wire_name().split("-"))
        case Alternatives(by_tag):
            return _ITEMS.get(by_tag[0][1], "CHOICE")
        case ResultOf():
            return "Get-Data-Result"
        case Fixed():
            return "Data-Access-Result"
        case DataValue():
            return "Data"
    raise LocalProtocolError(f"a SEQUENCE OF {codec!r} has no name for its items")


def labels(of: type[Record], field: str) -> Labels:
    """The names of a field's values; empty where it is a plain number."""
    return _LABELS_OF.get(of, {}).get(field) or ({} if of in ACSE.values() else _LABELS.get(field, {}))


def ciphered_name(tag: int) -> str:
    """The name of a glo- or ded- APDU: `glo-initiateRequest`, `ded-get-request`."""
    plain = BY_PREFIX.get(bytes((PLAIN[tag],)))
    name = ServiceCiphered(tag, b"").name
    return name if plain is None else f"{name[:3]}-{element_name(plain)}"


BY_NAME: Mapping[str, type[Record]] = {element_name(of): of for of in (*APDUS, *ACSE.values())}
"""Every APDU by its name."""
CIPHERED: Mapping[str, int] = {ciphered_name(tag): tag for tag in PLAIN}
"""The tag of every glo- and ded- APDU by its name."""
FAMILIES: frozenset[str] = frozenset(name for of in APDUS if (name := family_name(of)) is not None)
"""The names of the CHOICEs around APDUs."""
