"""Opening and closing an association: AARQ, AARE, RLRQ, RLRE.  Green Book 9.4, ISO/IEC 8650-1 in BER.

Every field is tagged, comes at most once and in order; lengths are definite.  The optional fields that the book lists and
nobody needs - those of the called side, AP invocation identifiers, implementation-information - are read whatever they
hold and kept as they are; a field that is not listed is refused, known or not to ISO 8650.  Object identifiers are kept as
their octets, so that an unknown one can be refused with the right diagnostic.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, cast

from dlms.apdu.initiate import InitiateRequest, InitiateResponse
from dlms.axdr import decode_length, encode_length, take
from dlms.codec import Codec, Record, decode, record
from dlms.enums import ApplicationContext, Mechanism, named
from dlms.errors import DecodeError

CONTEXT_OID = bytes.fromhex("608574050801")
"""2.16.756.5.8.1, the application contexts; one more arc names the context."""
MECHANISM_OID = bytes.fromhex("608574050802")
"""2.16.756.5.8.2, the authentication mechanisms; one more arc names the mechanism."""
AUTHENTICATION_REQUIREMENT = bytes.fromhex("0780")
"""ACSE requirements with the authentication functional unit selected."""


def context_oid(context: int) -> bytes:
    """The object identifier of an application context."""
    return CONTEXT_OID + bytes((context,))


def mechanism_oid(mechanism: int) -> bytes:
    """The object identifier of an authentication mechanism."""
    return MECHANISM_OID + bytes((mechanism,))


@dataclasses.dataclass(frozen=True, slots=True)
class Tagged(Codec):
    """One optional field: a tag, a length, and content inside `wrappers` more tags.  Absent is None."""

    tag: int
    wrappers: bytes = b""

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        if pos >= len(buf) or buf[pos] != self.tag:
            return None, pos
        content, end = _content(buf, pos + 1)
        for wrapper in self.wrappers:
            if not content or content[0] != wrapper:
                raise DecodeError(
                    f"field {self.tag:02x} holds {content[:1].hex() or 'nothing'}, {wrapper:02x} wanted", buf, pos
                )
            size = len(content)
            content, inner_end = _content(content, 1)
            if inner_end != size:
                raise DecodeError(f"field {self.tag:02x}: {size - inner_end} octets left over inside", buf, pos)
        return self.value(content, buf, pos), end

    def value(self, content: bytes, buf: bytes, pos: int) -> Any:
        """The Python value of the innermost content."""
        return content

    def content(self, value: Any) -> bytes:
        """The inverse of `value`."""
        return bytes(value)

    def encode(self, value: Any, out: bytearray) -> None:
        if value is None:
            return
        content = self.content(value)
        for wrapper in reversed(self.wrappers):
            content = _head(wrapper, len(content)) + content
        out += _head(self.tag, len(content)) + content

    def from_json(self, value: Any) -> Any:
        return None if value is None else bytes.fromhex(value)


def _content(buf: bytes, pos: int) -> tuple[bytes, int]:
    if pos >= len(buf) or buf[pos] >= 0x80:
        size, start = decode_length(buf, pos)
        return take(buf, start, size)
    end = pos + 1 + buf[pos]  # nearly all lengths take one octet
    return take(buf, pos + 1, buf[pos]) if end > len(buf) else (buf[pos + 1 : end], end)


def _head(tag: int, size: int) -> bytes:
    return bytes((tag, size)) if size < 0x80 else bytes((tag,)) + encode_length(size)


class TaggedInteger(Tagged):
    """A tagged INTEGER."""

    def value(self, content: bytes, buf: bytes, pos: int) -> int:
        if not content or len(content) > 4:
            raise DecodeError(f"field {self.tag:02x}: an integer of {len(content)} octets", buf, pos)
        return int.from_bytes(content, "big", signed=True)

    def content(self, value: Any) -> bytes:
        number = int(value)
        magnitude = ~number if number < 0 else number
        return number.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)

    def from_json(self, value: Any) -> Any:
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Diagnostic:
    """Result-source-diagnostic: `source` 1 is the user, 2 the provider."""

    source: int
    code: int


class TaggedDiagnostic(Tagged):
    """Result-source-diagnostic: CHOICE {user [1], provider [2]} around an INTEGER.  Its JSON form is the record's matter."""

    def value(self, content: bytes, buf: bytes, pos: int) -> Diagnostic:
        if len(content) == 5 and content[0] in (0xA1, 0xA2) and content[1:4] == b"\x03\x02\x01":
            return Diagnostic(content[0] & 0x0F, content[4])
        raise DecodeError(f"diagnostic {content.hex()} is neither the user's nor the provider's", buf, pos)

    def content(self, value: Any) -> bytes:
        return bytes((0xA0 | value.source, 3, 2, 1, value.code))

    def from_json(self, value: Any) -> Any:
        return value


class BerRecord(Record):
    """A record whose fields are tagged and whose prefix is followed by a length."""

    __slots__ = ()

    @classmethod
    def decode_from(cls, buf: bytes, pos: int) -> tuple[Self, int]:
        """Fields in order, nothing else, exactly as many octets as the length says."""
        size, start = decode_length(buf, pos)
        content, end = take(buf, start, size)
        values: list[Any] = [None] * len(cls.layout)
        places, at, last = _places(cls), 0, -1  # type: ignore[arg-type]  # a class is hashable
        while at < size:
            place = places.get(content[at], -1)
            if place <= last:
                raise DecodeError(
                    f"{cls.__name__}: field {content[at]:02x} is unknown, repeated or out of order", buf, start + at
                )
            values[place], at = cls.layout[place][1].decode(content, at)
            last = place
        return cls(*values), end

    def encode_to(self, out: bytearray) -> None:
        """Append the length and the fields."""
        content = bytearray()
        for name, codec in self.layout:
            if (value := getattr(self, name)) is not None:
                codec.encode(value, content)
        out += encode_length(len(content))
        out += content

    @classmethod
    def wire_name(cls) -> str:
        """The name of the standard: `AARQ`."""
        return cls.__name__.upper()

    def to_json(self) -> dict[str, Any]:
        """The fields that are present."""
        names = self.json_names
        fields = {names.get(name, name): codec.to_json(getattr(self, name)) for name, codec in self.layout}
        return {name: value for name, value in fields.items() if value is not None}


@functools.cache
def _places(cls: type[BerRecord]) -> dict[int, int]:
    """Tag -> place of the field in the layout."""
    return {codec.tag: place for place, (_, codec) in enumerate(cls.layout) if isinstance(codec, Tagged)}


def _arc(oid: bytes | None, base: bytes) -> int | None:
    return oid[-1] if oid is not None and oid[:-1] == base else None


def _identifier(value: str | None) -> bytes | None:
    """The octets of an object identifier out of its BER encoding in hex."""
    if value is None:
        return None
    encoded = bytes.fromhex(value)
    content, _ = _content(encoded, 1)
    return content


class _Associate(BerRecord):
    """What AARQ and AARE share: two object identifiers, and a JSON form that opens them and the diagnostic."""

    __slots__ = ()
    application_context_name: bytes | None
    mechanism_name: bytes | None

    @property
    def application_context(self) -> ApplicationContext | int | None:
        """The context, or None when the identifier is not one of DLMS."""
        arc = _arc(self.application_context_name, CONTEXT_OID)
        return None if arc is None else named(ApplicationContext, arc)

    @property
    def mechanism(self) -> Mechanism | int | None:
        """The authentication mechanism, or None when none or none of DLMS is named."""
        arc = _arc(self.mechanism_name, MECHANISM_OID)
        return None if arc is None else named(Mechanism, arc)

    def to_json(self) -> dict[str, Any]:
        """The fields that are present, with the arcs of the identifiers and the diagnostic opened."""
        fields, opened = super().to_json(), dict[str, Any]()
        context, mechanism = self.application_context_name, self.mechanism_name
        fields.pop("application_context_name", None)
        fields.pop("mechanism_name", None)
        if context is not None:
            encoded = b"\x06" + encode_length(len(context)) + context
            opened |= {"application_context": _arc(context, CONTEXT_OID), "application_context_oid": encoded.hex()}
        if mechanism is not None:
            opened |= {"mechanism": _arc(mechanism, MECHANISM_OID), "mechanism_oid": mechanism.hex()}
        diagnostic = fields.pop("diagnostic", None)
        if diagnostic is not None:
            opened |= {"diagnostic_source": diagnostic.source, "diagnostic": diagnostic.code}
        return opened | fields

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = {
            **value,
            "mechanism_name": value.get("mechanism_oid"),
            "application_context_name": None,
        }
        source, code = value.get("diagnostic_source"), value.get("diagnostic")
        fields["diagnostic"] = None if source is None or code is None else Diagnostic(source, code)
        made = super().from_json(fields)
        context = _identifier(value.get("application_context_oid"))
        return dataclasses.replace(cast(Any, made), application_context_name=context)  # type: ignore[no-any-return]


@record
class Aarq(_Associate, prefix="60"):
    """A-ASSOCIATE request.  All octets: object identifiers, titles, the secret or challenge, the xDLMS initiate."""

    json_names: ClassVar[Mapping[str, str]] = {
        "calling_ap_title": "system_title",
        "sender_acse_requirements": "acse_requirements",
        "calling_authentication_value": "authentication_value",
    }
    protocol_version: Annotated[bytes | None, Tagged(0x80)] = None
    application_context_name: Annotated[bytes | None, Tagged(0xA1, b"\x06")] = None
    called_ap_title: Annotated[bytes | None, Tagged(0xA2)] = None
    called_ae_qualifier: Annotated[bytes | None, Tagged(0xA3)] = None
    called_ap_invocation_id: Annotated[bytes | None, Tagged(0xA4)] = None
    called_ae_invocation_id: Annotated[bytes | None, Tagged(0xA5)] = None
    calling_ap_title: Annotated[bytes | None, Tagged(0xA6, b"\x04")] = None
    calling_ae_qualifier: Annotated[bytes | None, Tagged(0xA7, b"\x04")] = None
    calling_ap_invocation_id: Annotated[bytes | None, Tagged(0xA8)] = None
    calling_ae_invocation_id: Annotated[int | None, TaggedInteger(0xA9, b"\x02")] = None
    sender_acse_requirements: Annotated[bytes | None, Tagged(0x8A)] = None
    mechanism_name: Annotated[bytes | None, Tagged(0x8B)] = None
    calling_authentication_value: Annotated[bytes | None, Tagged(0xAC, b"\x80")] = None
    implementation_information: Annotated[bytes | None, Tagged(0xBD)] = None
    user_information: Annotated[bytes | None, Tagged(0xBE, b"\x04")] = None

    def initiate(self) -> InitiateRequest:
        """The xDLMS initiate inside.  Raises DecodeError when it is absent, ciphered or malformed."""
        return decode(InitiateRequest, self.user_information or b"", strict=False)

    def __repr__(self) -> str:
        """Without the authentication value."""
        return f"Aarq(application_context={self.application_context!r}, mechanism={self.mechanism!r})"


@record
class Aare(_Associate, prefix="61"):
    """A-ASSOCIATE response."""

    json_names: ClassVar[Mapping[str, str]] = {
        "responding_ap_title": "system_title",
        "responder_acse_requirements": "acse_requirements",
        "responding_authentication_value": "authentication_value",
    }
    protocol_version: Annotated[bytes | None, Tagged(0x80)] = None
    application_context_name: Annotated[bytes | None, Tagged(0xA1, b"\x06")] = None
    result: Annotated[int | None, TaggedInteger(0xA2, b"\x02")] = None
    diagnostic: Annotated[Diagnostic | None, TaggedDiagnostic(0xA3)] = None
    responding_ap_title: Annotated[bytes | None, Tagged(0xA4, b"\x04")] = None
    responding_ae_qualifier: Annotated[bytes | None, Tagged(0xA5, b"\x04")] = None
    responding_ap_invocation_id: Annotated[bytes | None, Tagged(0xA6)] = None
    responding_ae_invocation_id: Annotated[bytes | None, Tagged(0xA7)] = None
    responder_acse_requirements: Annotated[bytes | None, Tagged(0x88)] = None
    mechanism_name: Annotated[bytes | None, Tagged(0x89)] = None
    responding_authentication_value: Annotated[bytes | None, Tagged(0xAA, b"\x80")] = None
    implementation_information: Annotated[bytes | None, Tagged(0xBD)] = None
    user_information: Annotated[bytes | None, Tagged(0xBE, b"\x04")] = None

    def initiate(self) -> InitiateResponse:
        """The xDLMS initiate inside.  Raises DecodeError when it is absent, ciphered or malformed."""
        return decode(InitiateResponse, self.user_information or b"", strict=False)

    def problems(self) -> list[str]:
        """Result and diagnostic are mandatory."""
        return [f"no {name}" for name in ("result", "diagnostic") if getattr(self, name) is None]

    def __repr__(self) -> str:
        """Without the authentication value."""
        return f"Aare(result={self.result}, diagnostic={self.diagnostic}, mechanism={self.mechanism!r})"


@record
class Rlrq(BerRecord, prefix="62"):
    """A-RELEASE request."""

    reason: Annotated[int | None, TaggedInteger(0x80)] = None
    user_information: Annotated[bytes | None, Tagged(0xBE, b"\x04")] = None


@record
class Rlre(BerRecord, prefix="63"):
    """A-RELEASE response."""

    reason: Annotated[int | None, TaggedInteger(0x80)] = None
    user_information: Annotated[bytes | None, Tagged(0xBE, b"\x04")] = None


ACSE: dict[int, type[BerRecord]] = {0x60: Aarq, 0x61: Aare, 0x62: Rlrq, 0x63: Rlre}


def decode_acse(data: bytes, *, strict: bool = True) -> BerRecord:
    """Decode AARQ, AARE, RLRQ or RLRE.  Raises DecodeError for anything else."""
    if not data or data[0] not in ACSE:
        raise DecodeError(f"no ACSE APDU starts with {data[:1].hex() or 'nothing'}", data, 0)
    return decode(ACSE[data[0]], data, strict=strict)
