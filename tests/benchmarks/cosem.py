"""How dlms-cosem does each case.  A peer in tests: called, never copied."""

from __future__ import annotations

from functools import partial
from typing import Any

from dlms_cosem import dlms_data, enumerations, utils
from dlms_cosem.connection import XDlmsApduFactory
from dlms_cosem.hdlc.address import HdlcAddress
from dlms_cosem.hdlc.frames import InformationFrame
from dlms_cosem.protocol import acse, xdlms
from dlms_cosem.protocol.xdlms.conformance import Conformance
from dlms_cosem.security import SecurityControlField, decrypt, encrypt

from tests.benchmarks import messages as m
from tests.benchmarks.case import Contestant

_CLIENT = HdlcAddress(m.CLIENT, None, "client")
_SERVER = HdlcAddress(m.SERVER, None, "server")
_CONFORMANCE = Conformance(
    block_transfer_with_get_or_read=True,
    multiple_references=True,
    get=True,
    set=True,
    selective_access=True,
    action=True,
)


def _row(values: tuple[Any, ...]) -> Any:
    clock, status, quality, exponent, *energies = values
    typed = [
        dlms_data.OctetStringData(clock),
        dlms_data.UnsignedLongData(status),
        dlms_data.DoubleLongUnsignedData(quality),
        dlms_data.IntegerData(exponent),
        *map(dlms_data.DoubleLongUnsignedData, energies),
    ]
    return dlms_data.DataStructure(value=typed)


_TYPED_ROWS = dlms_data.DataArray(value=[_row(values) for values in m.VALUES])


def _encode_frame() -> bytes:
    frame = InformationFrame(_SERVER, _CLIENT, m.INFO, send_sequence_number=0, receive_sequence_number=0)
    encoded: bytes = frame.to_bytes()
    return encoded


def _frame_view(frame: Any) -> tuple[int, bytes]:
    return frame.get_control_field().to_bytes()[0], bytes(frame.payload)


def _reply(apdu: bytes) -> Any:
    return utils.parse_as_dlms_data(XDlmsApduFactory.apdu_from_bytes(apdu).data)


def _general_glo() -> Any:
    envelope = XDlmsApduFactory.apdu_from_bytes(m.GENERAL_GLO_RESPONSE)
    return _reply(envelope.to_plain_apdu(m.KEY, m.AUTHENTICATION_KEY))


def _aarq() -> bytes:
    initiate = xdlms.InitiateRequest(proposed_conformance=_CONFORMANCE, client_max_receive_pdu_size=m.MAX_PDU)
    request = acse.ApplicationAssociationRequest(
        ciphered=False,
        system_title=None,
        authentication=enumerations.AuthenticationMechanism.LLS,
        authentication_value=m.SECRET,
        user_information=acse.UserInformation(content=initiate),
    )
    encoded: bytes = request.to_bytes()
    return encoded


def _aare_view(answer: Any) -> tuple[int, int, int]:
    initiate = answer.user_information.content
    conformance = int.from_bytes(initiate.negotiated_conformance.to_bytes()[-3:], "big")
    return answer.result.value, conformance, initiate.server_max_receive_pdu_size


def _plain_rows(rows: Any) -> list[tuple[Any, ...]]:
    return [(bytes(row[0]), *row[1:]) for row in rows]


_CONTROL = SecurityControlField(security_suite=0, authenticated=True, encrypted=True)


def _unprotect(message: bytes) -> bytes:
    content: bytes = decrypt(_CONTROL, m.TITLE, m.COUNTER, m.KEY, message[5:], m.AUTHENTICATION_KEY)
    return content


def _protect(plain: bytes) -> bytes:
    content: bytes = encrypt(_CONTROL, m.TITLE, m.COUNTER, m.KEY, plain, m.AUTHENTICATION_KEY)
    return _CONTROL.to_bytes() + m.COUNTER.to_bytes(4, "big") + content


_rows = Contestant(lambda: utils.parse_as_dlms_data(m.PROFILE), _plain_rows)

TABLE = {
    "HDLC decode": Contestant(lambda: InformationFrame.from_bytes(m.RECEIVED_FRAME), _frame_view),
    "HDLC encode": Contestant(_encode_frame),
    "GET-response decode": Contestant(lambda: _reply(m.GET_RESPONSE)),
    "GET-response with list": Contestant(lambda: XDlmsApduFactory.apdu_from_bytes(m.GET_LIST_RESPONSE).result),
    "profile to rows": _rows,
    "profile to columns": _rows,
    "profile encode": Contestant(_TYPED_ROWS.to_bytes, bytes),
    "profile encode, typed": Contestant(_TYPED_ROWS.to_bytes, bytes),
    "AARQ encode": Contestant(_aarq),
    "AARE decode": Contestant(lambda: acse.ApplicationAssociationResponse.from_bytes(m.AARE), _aare_view),
    "general-glo-ciphering": Contestant(_general_glo, bytes),
    **{f"unprotect {size} B": Contestant(partial(_unprotect, m.PROTECTED[size])) for size in m.PROTECTED_SIZES},
    **{f"protect {size} B": Contestant(partial(_protect, m.PLAIN[size])) for size in m.PROTECTED_SIZES},
}
"""It knows no service-specific envelopes, and writes the length of an octet-string above 127 octets wrong: no such cases."""
