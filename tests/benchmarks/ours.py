"""How this library does each case, by the calls that its own layers make."""

from __future__ import annotations

from typing import Any

from dlms.acse import Aare, Aarq, context_oid, decode_acse, mechanism_oid
from dlms.apdu import GeneralGloCiphering, ServiceCiphered, SetRequestNormal, decode_apdu
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.initiate import InitiateRequest, InitiateResponse
from dlms.codec import encode
from dlms.columns import Columns, decode_columns
from dlms.data import DoubleLongUnsigned, Integer, LongUnsigned
from dlms.data import encode as encode_data
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.rows import Header, RowTemplate, decode_rows
from dlms.security import KeySet, unprotect
from dlms.types import OctetString
from hdlc import Address, Frame
from hdlc.frame import Kind, decode_frame
from tests.benchmarks import messages as m
from tests.benchmarks.case import Contestant

_TYPES: Header = (OctetString(12), LongUnsigned, DoubleLongUnsigned, Integer, *[DoubleLongUnsigned] * 4)
_TEMPLATE = RowTemplate.of_types(_TYPES)
_PLAIN_ROWS = m.VALUES
_TYPED_ROWS = [
    (clock, LongUnsigned(status), DoubleLongUnsigned(quality), Integer(exponent), *map(DoubleLongUnsigned, energies))
    for clock, status, quality, exponent, *energies in m.VALUES
]
_BODY = m.RECEIVED_FRAME[1:-1]
_CLIENT, _SERVER = Address(m.CLIENT), Address(m.SERVER)
_CONFORMANCE = Conformance(m.CONFORMANCE)
_KEYS = KeySet(encryption=m.KEY, authentication=m.AUTHENTICATION_KEY)


def _aarq() -> bytes:
    initiate = InitiateRequest(None, True, None, 6, _CONFORMANCE, m.MAX_PDU)
    request = Aarq(
        application_context_name=context_oid(ApplicationContext.LN),
        sender_acse_requirements=b"\x07\x80",
        mechanism_name=mechanism_oid(Mechanism.LLS),
        calling_authentication_value=m.SECRET,
        user_information=encode(initiate),
    )
    return encode(request)


def _aare() -> tuple[Aare, InitiateResponse]:
    answer = decode_acse(m.AARE)
    assert isinstance(answer, Aare)
    return answer, answer.initiate()


def _aare_view(result: tuple[Aare, InitiateResponse]) -> tuple[int | None, int, int]:
    answer, initiate = result
    return answer.result, int(initiate.conformance), initiate.server_max_receive_pdu_size


def _opened(content: bytes, title: bytes) -> Any:
    return getattr(decode_apdu(unprotect(content, _KEYS, title).plaintext), "result")  # noqa: B009 - any APDU


def _glo() -> Any:
    envelope = decode_apdu(m.GLO_RESPONSE)
    assert isinstance(envelope, ServiceCiphered)
    return _opened(envelope.content, m.TITLE)


def _general_glo() -> Any:
    envelope = decode_apdu(m.GENERAL_GLO_RESPONSE)
    assert isinstance(envelope, GeneralGloCiphering)
    return _opened(envelope.content, envelope.system_title)


def _columns_view(columns: Columns) -> list[tuple[Any, ...]]:
    clocks, *numbers = (columns[place].tolist() for place in columns)
    return list(zip(map(bytes, clocks), *numbers, strict=True))


def _set_request() -> bytes:
    attribute = CosemAttributeDescriptor(1, m.SET_NAME, 2)
    return encode(SetRequestNormal(m.INVOKE, attribute, None, m.LONG_VALUE))


OURS = {
    "HDLC decode": Contestant(lambda: decode_frame(_BODY), lambda frame: (frame.control, frame.info)),
    "HDLC encode": Contestant(lambda: Frame(Kind.I, _SERVER, _CLIENT, m.INFO).encode()),
    "GET-response decode": Contestant(lambda: getattr(decode_apdu(m.GET_RESPONSE), "result")),  # noqa: B009
    "GET-response with list": Contestant(lambda: getattr(decode_apdu(m.GET_LIST_RESPONSE), "results")),  # noqa: B009
    "SET-request encode": Contestant(_set_request),
    "profile to rows": Contestant(lambda: decode_rows(m.PROFILE), lambda rows: rows.rows),
    "profile to columns": Contestant(lambda: decode_columns(m.PROFILE), _columns_view),
    "profile encode": Contestant(lambda: b"\x01\x82\x03\xe8" + _TEMPLATE.encode(_PLAIN_ROWS)),
    "profile encode, typed": Contestant(lambda: encode_data(_TYPED_ROWS)),
    "AARQ encode": Contestant(_aarq),
    "AARE decode": Contestant(_aare, _aare_view),
    "glo-get-response": Contestant(_glo),
    "general-glo-ciphering": Contestant(_general_glo),
}
