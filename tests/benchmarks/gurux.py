"""How gurux-dlms does each case.  A peer in tests: called, never copied."""

from __future__ import annotations

from functools import partial
from typing import Any

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms._GXAPDU import _GXAPDU
from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Authentication, Command, Conformance, DataType, InterfaceType, ObjectType, Security
from gurux_dlms.GXArray import GXArray
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSLNParameters import GXDLMSLNParameters
from gurux_dlms.GXInt8 import GXInt8
from gurux_dlms.GXStructure import GXStructure
from gurux_dlms.GXUInt16 import GXUInt16
from gurux_dlms.GXUInt32 import GXUInt32
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.secure import GXDLMSSecureClient
from gurux_dlms.SetRequestType import SetRequestType

from tests.benchmarks import messages as m
from tests.benchmarks.case import Contestant


def _client() -> Any:
    client = GXDLMSSecureClient(True, m.CLIENT, m.SERVER, Authentication.LOW, m.SECRET.decode(), InterfaceType.HDLC)
    client.proposedConformance = (
        Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
        | Conformance.MULTIPLE_REFERENCES
        | Conformance.GET
        | Conformance.SET
        | Conformance.SELECTIVE_ACCESS
        | Conformance.ACTION
    )
    client.hdlcSettings.maxInfoTX = 2 * len(m.INFO)  # it counts the LLC header twice
    client.ciphering.blockCipherKey = bytearray(m.KEY)
    client.ciphering.authenticationKey = bytearray(m.AUTHENTICATION_KEY)
    client.settings.sourceSystemTitle = bytearray(m.TITLE)
    return client


_SETTINGS, _AARE_SETTINGS = _client().settings, _client().settings


def _row(values: tuple[Any, ...]) -> Any:
    clock, status, quality, exponent, *energies = values
    typed = [bytearray(clock), GXUInt16(status), GXUInt32(quality), GXInt8(exponent), *map(GXUInt32, energies)]
    row = GXStructure()
    row.extend(typed)
    return row


_TYPED_ROWS = GXArray()
_TYPED_ROWS.extend(map(_row, m.VALUES))


def _decode_frame() -> tuple[int, Any]:
    _SETTINGS.resetFrameSequence()
    received = GXByteBuffer(m.RECEIVED_FRAME)
    return GXDLMS.getHdlcData(False, _SETTINGS, received, GXReplyData(), None), received


def _frame_view(result: tuple[int, Any]) -> tuple[int, bytes]:
    control, received = result
    return control, b"\xe6\xe7\x00" + bytes(received.array())[received.position : -3]


def _reply(apdu: bytes) -> Any:
    reply = GXReplyData(buff=GXByteBuffer(apdu))
    GXDLMS.getPdu(_SETTINGS, reply)
    return reply.value


def _encode_rows() -> Any:
    out = GXByteBuffer()
    _GXCommon.setData(_SETTINGS, out, DataType.ARRAY, _TYPED_ROWS)
    return out


def _aarq() -> Any:
    out = GXByteBuffer(20)
    _GXAPDU.generateAarq(_SETTINGS, _SETTINGS.cipher, None, out)
    return out


def _aare() -> Any:
    return _GXAPDU.parsePDU(_AARE_SETTINGS, _AARE_SETTINGS.cipher, GXByteBuffer(m.AARE), None)


def _aare_view(diagnostic: Any) -> tuple[int, int, int]:
    return int(diagnostic), _mirrored(int(_AARE_SETTINGS.negotiatedConformance)), _AARE_SETTINGS.maxPduSize


def _mirrored(conformance: int) -> int:
    """Its conformance has bit 0 in the lowest place."""
    return int(f"{conformance:024b}"[::-1], 2)


def _plain_rows(rows: Any) -> list[tuple[Any, ...]]:
    return [(bytes(row[0]), *map(int, row[1:])) for row in rows]


def _octets(buffer: Any) -> bytes:
    return bytes(buffer.array())


def _plain_list(values: Any) -> list[int]:
    return list(map(int, values))


def _set_request() -> Any:
    attribute, value, out = GXByteBuffer(), GXByteBuffer(), GXByteBuffer()
    attribute.setUInt16(ObjectType.DATA)
    attribute.set(m.SET_NAME)
    attribute.setUInt8(2)
    attribute.setUInt8(0)
    _GXCommon.setData(_SETTINGS, value, DataType.OCTET_STRING, m.LONG_VALUE)
    request = GXDLMSLNParameters(_SETTINGS, 0, Command.SET_REQUEST, SetRequestType.NORMAL, attribute, value, 0xFF)
    GXDLMS.getLNPdu(request, out)
    return out


_ENTERED = [size for size in m.PROTECTED_SIZES if size <= 1024]
"""Its cipher is Python: what it takes for the longer ones nobody waits for."""


def _parameters() -> Any:
    of = AesGcmParameter(
        Command.GLO_GET_RESPONSE, bytearray(m.TITLE), bytearray(m.KEY), bytearray(m.AUTHENTICATION_KEY)
    )
    of.security, of.invocationCounter = Security.AUTHENTICATION_ENCRYPTION, m.COUNTER
    return of


def _unprotect(envelope: bytes) -> Any:
    return GXCiphering.decrypt(_SETTINGS, _parameters(), GXByteBuffer(envelope))


def _protect(plain: bytes) -> Any:
    return GXCiphering.encrypt(_parameters(), bytearray(plain))


def _inside(envelope: Any) -> bytes:
    """Behind the tag and the length."""
    return bytes(envelope[2 + max(0, envelope[1] - 0x80) :])


_rows = Contestant(lambda: GXDLMSClient.getValue(GXByteBuffer(m.PROFILE), False), _plain_rows)

TABLE = {
    "HDLC decode": Contestant(_decode_frame, _frame_view),
    "HDLC encode": Contestant(lambda: GXDLMS.getHdlcFrame(_SETTINGS, 0x10, GXByteBuffer(m.INFO)), bytes),
    "GET-response decode": Contestant(lambda: _reply(m.GET_RESPONSE)),
    "GET-response with list": Contestant(lambda: _reply(m.GET_LIST_RESPONSE), _plain_list),
    "SET-request encode": Contestant(_set_request, lambda out: _octets(out).removeprefix(b"\xe6\xe6\x00")),
    "profile to rows": _rows,
    "profile to columns": _rows,
    "profile encode": Contestant(_encode_rows, _octets),
    "profile encode, typed": Contestant(_encode_rows, _octets),
    "AARQ encode": Contestant(_aarq, _octets),
    "AARE decode": Contestant(_aare, _aare_view),
    "glo-get-response": Contestant(lambda: _reply(m.GLO_RESPONSE), bytes),
    "general-glo-ciphering": Contestant(lambda: _reply(m.GENERAL_GLO_RESPONSE), bytes),
    **{f"unprotect {size} B": Contestant(partial(_unprotect, m.glo(m.PROTECTED[size])), bytes) for size in _ENTERED},
    **{f"protect {size} B": Contestant(partial(_protect, m.PLAIN[size]), _inside) for size in _ENTERED},
}
