"""One or more APDUs of every class, with every alternative and every optional field: what other tools are compared over."""

from __future__ import annotations

from dlms.acse import Aare, Aarq, Diagnostic, Rlre, Rlrq, context_oid, mechanism_oid
from dlms.apdu import (
    AccessRequest,
    AccessResponse,
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
    ConfirmedServiceError,
    DataNotification,
    DataNotificationConfirm,
    EventNotificationRequest,
    ExceptionResponse,
    GatewayRequest,
    GatewayResponse,
    GeneralBlockTransfer,
    GeneralCiphering,
    GeneralDedCiphering,
    GeneralGloCiphering,
    GeneralSigning,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    InformationReportRequest,
    InitiateRequest,
    InitiateResponse,
    ReadRequest,
    ReadResponse,
    ServiceCiphered,
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
    UnconfirmedWriteRequest,
    WriteRequest,
    WriteResponse,
)
from dlms.apdu.access import (
    AccessAction,
    AccessActionResult,
    AccessGet,
    AccessGetResult,
    AccessGetWithSelection,
    AccessSet,
    AccessSetResult,
    AccessSetWithSelection,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import (
    CosemAttributeDescriptor,
    CosemAttributeDescriptorWithSelection,
    CosemMethodDescriptor,
    DataBlock,
    ResultBlock,
    SelectiveAccess,
)
from dlms.apdu.protected import PLAIN, AgreedKey, IdentifiedKey, WrappedKey
from dlms.apdu.short_name import (
    BlockNumber,
    BlockNumberAccess,
    DataAccessError,
    DataBlockResult,
    ParameterizedAccess,
    ReadData,
    ReadDataBlockAccess,
    Success,
    VariableName,
    WriteDataBlockAccess,
)
from dlms.codec import Record, Refusal, encode
from dlms.data import DoubleLongUnsigned, Integer, LongUnsigned, Unsigned
from dlms.enums import Conformance

INVOKE, LONG_INVOKE = 0xC1, 0x4000_0001
NAME = bytes.fromhex("0100010800ff")
ATTRIBUTE, METHOD = CosemAttributeDescriptor(3, NAME, 2), CosemMethodDescriptor(3, NAME, 1)
PART = SelectiveAccess(2, (DoubleLongUnsigned(1), LongUnsigned(3)))
WHOLE, SELECTED = (
    CosemAttributeDescriptorWithSelection(ATTRIBUTE),
    CosemAttributeDescriptorWithSelection(ATTRIBUTE, PART),
)
BLOCK = DataBlock(True, 1, b"\x09\x02ab")
VALUES = [Unsigned(5), b"abc"]
TIME = bytes.fromhex("07e8020d0210213700ffc400")
CIPHERED = bytes.fromhex("3000000001") + b"x" * 20
TITLES = b"12345678", b"ABCDEFGH", b"HGFEDCBA"
GET = encode(GetRequestNormal(INVOKE, ATTRIBUTE))
LN, SN = Conformance(0x1E1D), Conformance(0x1C0320)
INITIATE = InitiateRequest(None, True, None, 6, LN, 1200)
INITIATED = InitiateResponse(None, 6, LN, 1200, 7)
CHALLENGE = b"1234567812345678"
_ONE = [VariableName(0xFA00)]
_PARAMETER = ParameterizedAccess(0xFA08, 1, (Unsigned(1),))

SAMPLES: dict[str, Record] = {
    "get-request-normal": GetRequestNormal(INVOKE, ATTRIBUTE),
    "get-request-normal selection": GetRequestNormal(INVOKE, ATTRIBUTE, PART),
    "get-request-next": GetRequestNext(INVOKE, 7),
    "get-request-with-list": GetRequestWithList(INVOKE, [WHOLE, WHOLE]),
    "get-request-with-list selection": GetRequestWithList(INVOKE, [WHOLE, SELECTED]),
    "get-response-normal": GetResponseNormal(INVOKE, DoubleLongUnsigned(7)),
    "get-response-normal refusal": GetResponseNormal(INVOKE, Refusal(3)),
    "get-response-with-datablock": GetResponseWithDatablock(INVOKE, ResultBlock(True, 1, b"abc")),
    "get-response-with-datablock refusal": GetResponseWithDatablock(INVOKE, ResultBlock(True, 1, Refusal(14))),
    "get-response-with-list": GetResponseWithList(INVOKE, [DoubleLongUnsigned(7), Unsigned(8)]),
    "get-response-with-list refusal": GetResponseWithList(INVOKE, [DoubleLongUnsigned(7), Refusal(4)]),
    "set-request-normal": SetRequestNormal(INVOKE, ATTRIBUTE, None, Unsigned(5)),
    "set-request-normal selection": SetRequestNormal(INVOKE, ATTRIBUTE, PART, Unsigned(5)),
    "set-request-with-first-datablock": SetRequestWithFirstDatablock(INVOKE, ATTRIBUTE, None, BLOCK),
    "set-request-with-datablock": SetRequestWithDatablock(INVOKE, BLOCK),
    "set-request-with-list": SetRequestWithList(INVOKE, [WHOLE, WHOLE], VALUES),
    "set-request-with-list selection": SetRequestWithList(INVOKE, [WHOLE, SELECTED], VALUES),
    "set-request-with-list-and-first-datablock": SetRequestWithListAndFirstDatablock(INVOKE, [WHOLE], BLOCK),
    "set-response-normal": SetResponseNormal(INVOKE, 0),
    "set-response-normal refusal": SetResponseNormal(INVOKE, 3),
    "set-response-datablock": SetResponseDatablock(INVOKE, 1),
    "set-response-last-datablock": SetResponseLastDatablock(INVOKE, 0, 2),
    "set-response-last-datablock-with-list": SetResponseLastDatablockWithList(INVOKE, [0, 3], 2),
    "set-response-with-list": SetResponseWithList(INVOKE, [0, 3]),
    "action-request-normal": ActionRequestNormal(INVOKE, METHOD),
    "action-request-normal parameters": ActionRequestNormal(INVOKE, METHOD, Integer(0)),
    "action-request-next-pblock": ActionRequestNextPblock(INVOKE, 1),
    "action-request-with-list": ActionRequestWithList(INVOKE, [METHOD, METHOD], VALUES),
    "action-request-with-first-pblock": ActionRequestWithFirstPblock(INVOKE, METHOD, BLOCK),
    "action-request-with-list-and-first-pblock": ActionRequestWithListAndFirstPblock(INVOKE, [METHOD], BLOCK),
    "action-request-with-pblock": ActionRequestWithPblock(INVOKE, BLOCK),
    "action-response-normal": ActionResponseNormal(INVOKE, ActionResult(0)),
    "action-response-normal data": ActionResponseNormal(INVOKE, ActionResult(0, Unsigned(5))),
    "action-response-normal access result": ActionResponseNormal(INVOKE, ActionResult(0, Refusal(0))),
    "action-response-with-pblock": ActionResponseWithPblock(INVOKE, BLOCK),
    "action-response-with-list": ActionResponseWithList(INVOKE, [ActionResult(0), ActionResult(0, Unsigned(5))]),
    "action-response-next-pblock": ActionResponseNextPblock(INVOKE, 3),
    "access-request get set": AccessRequest(
        LONG_INVOKE, b"", [AccessGet(ATTRIBUTE), AccessSet(ATTRIBUTE)], [None, b"a"]
    ),
    "access-request action": AccessRequest(LONG_INVOKE, b"", [AccessAction(METHOD)], [Integer(0)]),
    "access-request selection": AccessRequest(
        LONG_INVOKE,
        TIME,
        [AccessGetWithSelection(ATTRIBUTE, PART), AccessSetWithSelection(ATTRIBUTE, PART)],
        [None, Unsigned(5)],
    ),
    "access-response": AccessResponse(
        LONG_INVOKE, b"", None, [Unsigned(5), None], [AccessGetResult(0), AccessSetResult(3), AccessActionResult(0)]
    ),
    "access-response specification": AccessResponse(
        LONG_INVOKE, TIME, [AccessGet(ATTRIBUTE)], [Unsigned(5)], [AccessGetResult(0)]
    ),
    "read-request variable": ReadRequest(_ONE),
    "read-request variables": ReadRequest([VariableName(0x0008), VariableName(0xFA00)]),
    "read-request parameterized": ReadRequest([_PARAMETER]),
    "read-request block number": ReadRequest([BlockNumberAccess(3)]),
    "read-request data block": ReadRequest([ReadDataBlockAccess(True, 1, b"ab")]),
    "write-request variable": WriteRequest(_ONE, [Unsigned(1)]),
    "write-request parameterized": WriteRequest([_PARAMETER], [Unsigned(1)]),
    "write-request data block": WriteRequest([WriteDataBlockAccess(False, 2)], [b"abc"]),
    "unconfirmed-write-request": UnconfirmedWriteRequest(_ONE, [Unsigned(1)]),
    "read-response data": ReadResponse([ReadData(Unsigned(5)), ReadData(b"abc")]),
    "read-response refusal": ReadResponse([ReadData(Unsigned(5)), DataAccessError(3)]),
    "read-response data block": ReadResponse([DataBlockResult(True, 1, b"ab")]),
    "read-response block number": ReadResponse([BlockNumber(1)]),
    "write-response success": WriteResponse([Success()]),
    "write-response refusal": WriteResponse([Success(), DataAccessError(3)]),
    "write-response block number": WriteResponse([BlockNumber(4)]),
    "information-report-request": InformationReportRequest(None, _ONE, [Unsigned(1)]),
    "information-report-request time": InformationReportRequest(b"20240213163355Z", _ONE, [Unsigned(1)]),
    "data-notification": DataNotification(LONG_INVOKE, b"", (Unsigned(5),)),
    "data-notification time": DataNotification(LONG_INVOKE, TIME, Unsigned(5)),
    "data-notification-confirm": DataNotificationConfirm(LONG_INVOKE, b""),
    "event-notification-request": EventNotificationRequest(None, ATTRIBUTE, Unsigned(5)),
    "event-notification-request time": EventNotificationRequest(TIME, ATTRIBUTE, Unsigned(5)),
    "initiate-request": INITIATE,
    "initiate-request key": InitiateRequest(bytes(range(16)), True, None, 6, LN, 1200),
    "initiate-request unconfirmed": InitiateRequest(None, False, None, 6, LN, 0xFFFF),
    "initiate-request quality": InitiateRequest(None, True, -1, 6, Conformance(0xFF_FFFF), 0xFFFF),
    "initiate-response": INITIATED,
    "initiate-response short names": InitiateResponse(0, 6, SN, 1200, 0xFA00),
    "exception-response": ExceptionResponse(1, 2),
    "exception-response deciphering": ExceptionResponse(2, 5),
    "exception-response counter": ExceptionResponse(2, 6, 5),
    "confirmed-service-error initiate": ConfirmedServiceError(1, 6, 1),
    "confirmed-service-error read": ConfirmedServiceError(5, 5, 2),
    "confirmed-service-error write": ConfirmedServiceError(6, 3, 1),
    "general-block-transfer": GeneralBlockTransfer(0xC1, 1, 0, b"abc"),
    "gateway-request": GatewayRequest(1, b"\x01\x02", GET),
    "gateway-response": GatewayResponse(1, b"\x01\x02", encode(GetResponseNormal(INVOKE, Unsigned(5)))),
    "gateway-response octets": GatewayResponse(1, b"\x01\x02", b"\xff\xff"),
    **{ServiceCiphered(tag, b"").name: ServiceCiphered(tag, CIPHERED) for tag in sorted(PLAIN)},
    "general-glo-ciphering": GeneralGloCiphering(TITLES[1], CIPHERED),
    "general-ded-ciphering": GeneralDedCiphering(TITLES[1], CIPHERED),
    "general-ciphering": GeneralCiphering(*TITLES, b"", b"", None, CIPHERED),
    "general-ciphering identified": GeneralCiphering(*TITLES, TIME, b"", IdentifiedKey(0), CIPHERED),
    "general-ciphering wrapped": GeneralCiphering(*TITLES, b"", b"more", WrappedKey(0, bytes(24)), CIPHERED),
    "general-ciphering agreed": GeneralCiphering(*TITLES, b"", b"", AgreedKey(b"\2", b""), CIPHERED),
    "general-signing": GeneralSigning(*TITLES, b"", b"", GET, bytes(64)),
    "aarq": Aarq(application_context_name=context_oid(1), user_information=encode(INITIATE)),
    "aarq password": Aarq(
        application_context_name=context_oid(2),
        sender_acse_requirements=b"\x07\x80",
        mechanism_name=mechanism_oid(1),
        calling_authentication_value=b"12345678",
        user_information=encode(INITIATE),
    ),
    "aarq ciphered": Aarq(
        application_context_name=context_oid(3),
        calling_ap_title=TITLES[1],
        sender_acse_requirements=b"\x07\x80",
        mechanism_name=mechanism_oid(5),
        calling_authentication_value=CHALLENGE,
        user_information=encode(ServiceCiphered(0x21, CIPHERED)),
    ),
    "aarq user": Aarq(
        application_context_name=context_oid(1), calling_ae_invocation_id=5, user_information=encode(INITIATE)
    ),
    "aarq certificate": Aarq(
        application_context_name=context_oid(3), calling_ae_qualifier=b"\x30\x00", user_information=encode(INITIATE)
    ),
    "aarq called": Aarq(
        protocol_version=b"\x02\x84",
        application_context_name=context_oid(1),
        called_ap_title=b"\4\2AB",
        called_ae_qualifier=b"\4\2AB",
        called_ap_invocation_id=b"\2\1\5",
        called_ae_invocation_id=b"\2\1\5",
        calling_ap_invocation_id=b"\2\1\5",
        implementation_information=b"\4\2ab",
        user_information=encode(INITIATE),
    ),
    "aare": Aare(
        application_context_name=context_oid(1),
        result=0,
        diagnostic=Diagnostic(1, 0),
        user_information=encode(INITIATED),
    ),
    "aare challenge": Aare(
        application_context_name=context_oid(3),
        result=0,
        diagnostic=Diagnostic(1, 14),
        responding_ap_title=TITLES[2],
        responder_acse_requirements=b"\x07\x80",
        mechanism_name=mechanism_oid(5),
        responding_authentication_value=CHALLENGE,
        user_information=encode(ServiceCiphered(0x28, CIPHERED)),
    ),
    "aare refused by the user": Aare(
        application_context_name=context_oid(1),
        result=1,
        diagnostic=Diagnostic(1, 1),
        user_information=encode(ConfirmedServiceError(1, 6, 1)),
    ),
    "aare refused by the provider": Aare(
        application_context_name=context_oid(1), result=1, diagnostic=Diagnostic(2, 2)
    ),
    "aare invocation ids": Aare(
        application_context_name=context_oid(1),
        result=0,
        diagnostic=Diagnostic(1, 0),
        responding_ae_qualifier=b"AB",
        responding_ap_invocation_id=b"\2\1\5",
        responding_ae_invocation_id=b"\2\1\5",
        user_information=encode(INITIATED),
    ),
    "rlrq": Rlrq(reason=0),
    "rlrq initiate": Rlrq(reason=0, user_information=encode(INITIATE)),
    "rlrq empty": Rlrq(),
    "rlre": Rlre(reason=0),
    "rlre initiate": Rlre(reason=0, user_information=encode(INITIATED)),
}
"""By the name of the class in the standard, and what is special about this one."""
