"""The names of the ASN.1 module COSEMpdu for what our records declare: derived from theirs, exceptions in small tables.

Rules: a class or field in kebab case is the ASN.1 name; an item of a SEQUENCE OF has the name of its type.  Green Book,
9.5 (abstract syntax) and 9.6 (XML schema).  Where the tools that exchange these documents agree on another spelling,
such as get-response-with-data-block and CallingAPTitle, it is theirs that is written; `xml_spelling` reads both.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from dlms.acse import ACSE, Rlre, Rlrq
from dlms.apdu import APDUS
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
    ActionRequestNextPblock,
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
    SetResponseDatablock,
    SetResponseLastDatablock,
)
from dlms.apdu.short_name import (
    BlockNumber,
    BlockNumberAccess,
    DataAccessError,
    DataBlockResult,
    InformationReportRequest,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    Success,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)
from dlms.codec import Alternatives, Codec, DataValue, Fixed, Nested, Record, ResultOf
from dlms.data import TYPE_NAMES
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
BARE = ""
"""No element of its own."""
REFUSALS = ("data-access-result", "data-access-error")
"""Names of the alternative that is a refusal, with logical and with short names; some tools write one for the other."""

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
    **{
        of: of.__name__
        for of in (BlockNumberAccess, ReadDataBlockAccess, WriteDataBlockAccess, DataBlockResult, Success)
    },
    GetResponseWithDatablock: "get-response-with-data-block",
    SetRequestWithFirstDatablock: "set-request-first-data-block",
    SetResponseDatablock: "set-response-data-block",
    SetResponseLastDatablock: "set-response-with-last-data-block",
    ActionRequestNextPblock: "ActionRequestForNextDataBlock",
}
"""Names of APDUs and alternatives that are not those of our classes."""

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
    "called_ap_title": "called-ap-title",
    "called_ap_invocation_id": "called-ap-invocation-id",
    "called_ae_qualifier": "called-ae-qualifier",
    "called_ae_invocation_id": "called-ae-invocation-id",
    "calling_ap_title": "CallingAPTitle",
    "calling_ap_invocation_id": "calling-ap-invocation-id",
    "calling_ae_qualifier": "calling-Ae-qualifier",
    "responding_ap_title": "RespondingAPTitle",
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


def _numbered(*labels: str) -> Labels:
    return dict(enumerate(("other", *labels)))


SERVICE_ERRORS: Mapping[int, Labels] = {
    ErrorClass.APPLICATION_REFERENCE: _numbered(
        "time-elapsed",
        "application-unreachable",
        "application-reference-invalid",
        "application-context-unsupported",
        "provider-communication-error",
        "deciphering-error",
    ),
    ErrorClass.HARDWARE_RESOURCE: _numbered(
        "memory-unavailable",
        "processor-resource-unavailable",
        "mass-storage-unavailable",
        "other-resource-unavailable",
    ),
    ErrorClass.VDE_STATE_ERROR: _numbered(
        "no-dlms-context", "loading-data-set", "status-nochange", "status-inoperable"
    ),
    ErrorClass.SERVICE: _numbered("pdu-size", "service-unsupported"),
    ErrorClass.DEFINITION: _numbered("object-undefined", "object-class-inconsistent", "object-attribute-inconsistent"),
    ErrorClass.ACCESS: _numbered(
        "scope-of-access-violated", "object-access-violated", "hardware-fault", "object-unavailable"
    ),
    ErrorClass.INITIATE: labels_of(InitiateError) | {4: "refused-by-the-VDE-Handler"},
    ErrorClass.LOAD_DATA_SET: _numbered(
        "primitive-out-of-sequence",
        "not-loadable",
        "dataset-size-too-large",
        "not-awaited-segment",
        "interpretation-failure",
        "storage-failure",
        "data-set-not-ready",
    ),
    ErrorClass.TASK: _numbered("no-remote-control", "ti-stopped", "ti-running", "ti-unusable"),
}
"""Values of each alternative of ServiceError."""

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
    """The name of a field: `access-selection`, `responding-AE-qualifier`."""
    named = _FIELDS_OF.get(of, {}).get(field) or _FIELDS.get(field)
    if named is not None:
        return named
    kebab = field.replace("_", "-")
    return kebab.replace("-ap-", "-AP-").replace("-ae-", "-AE-") if of in ACSE.values() else kebab


def item_name(codec: Codec) -> str:
    """The name of an item of a SEQUENCE OF: that of its type, BARE for a CHOICE whose alternatives stand for themselves."""
    match codec:
        case Nested(of):
            return _ITEMS.get(of) or "-".join(word.capitalize() for word in of.wire_name().split("-"))
        case Alternatives(by_tag):
            return _ITEMS.get(by_tag[0][1], "CHOICE")
        case ResultOf():
            return BARE
        case Fixed():
            return "data-access-result"
        case DataValue():
            return "Data"
    raise LocalProtocolError(f"a SEQUENCE OF {codec!r} has no name for its items")


def item_contents(codec: Codec) -> Sequence[str]:
    """The names of what may be inside an item, where they tell what it is without the item's own name."""
    match codec:
        case Alternatives(by_tag):
            return [*map(element_name, dict(by_tag).values()), *REFUSALS]
        case ResultOf():
            return codec.inner_name.replace("_", "-"), *REFUSALS
        case DataValue():
            return list(TYPE_NAMES.values())
    return ()


def labels(of: type[Record], field: str) -> Labels:
    """The names of a field's values; empty where it is a plain number."""
    return _LABELS_OF.get(of, {}).get(field) or ({} if of in ACSE.values() else _LABELS.get(field, {}))


def ciphered_name(tag: int) -> str:
    """The name of a glo- or ded- APDU: `glo-initiate-request`, `ded-get-request`."""
    return ServiceCiphered(tag, b"").name


BY_NAME: Mapping[str, type[Record]] = {element_name(of): of for of in (*APDUS, *ACSE.values())}
"""Every APDU by its name."""
CIPHERED: Mapping[str, int] = {ciphered_name(tag): tag for tag in PLAIN}
"""The tag of every glo- and ded- APDU by its name."""
FAMILIES: frozenset[str] = frozenset(name for of in APDUS if (name := family_name(of)) is not None)
"""The names of the CHOICEs around APDUs."""
