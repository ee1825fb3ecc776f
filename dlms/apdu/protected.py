"""Envelopes of protected APDUs.  The cryptography is in `dlms.security`; here are the layouts.  Green Book, 9.2.7.

A service-specific envelope (glo-, ded-) has the tag of its service plus an offset and an octet string; the general ones
name the sender.  Inside the octet string: security control, invocation counter, payload and, when authenticated, a tag.
"""

from __future__ import annotations

from typing import Annotated, Any

from dlms.axdr import encode_length
from dlms.codec import OCTETS, U8, Alternatives, Optional, Record, record

_SERVICES = {
    0x01: ("initiate-request", 0x21, 0x41),
    0x05: ("read-request", 0x25, 0x45),
    0x06: ("write-request", 0x26, 0x46),
    0x08: ("initiate-response", 0x28, 0x48),
    0x0C: ("read-response", 0x2C, 0x4C),
    0x0D: ("write-response", 0x2D, 0x4D),
    0x0E: ("confirmed-service-error", 0x2E, 0x4E),
    0x16: ("unconfirmed-write-request", 0x36, 0x56),
    0x18: ("information-report-request", 0x38, 0x58),
    0xC0: ("get-request", 0xC8, 0xD0),
    0xC1: ("set-request", 0xC9, 0xD1),
    0xC2: ("event-notification-request", 0xCA, 0xD2),
    0xC3: ("action-request", 0xCB, 0xD3),
    0xC4: ("get-response", 0xCC, 0xD4),
    0xC5: ("set-response", 0xCD, 0xD5),
    0xC7: ("action-response", 0xCF, 0xD7),
}
GLO = {plain: glo for plain, (_, glo, _) in _SERVICES.items()}
"""Tag of a service -> tag of its envelope under the global key."""
DED = {plain: ded for plain, (_, _, ded) in _SERVICES.items()}
"""Tag of a service -> tag of its envelope under the dedicated key."""
PLAIN = {tag: plain for table in (GLO, DED) for plain, tag in table.items()}
"""Tag of an envelope -> tag that the APDU inside must have."""
SIGNING, GENERAL_GLO, GENERAL_DED, CIPHERING = 0xDF, 0xDB, 0xDC, 0xDD
GENERAL_TAGS = frozenset((SIGNING, GENERAL_GLO, GENERAL_DED, CIPHERING))
"""Tags of the envelopes that need the conformance bit general-protection."""
ENVELOPE_TAGS = GENERAL_TAGS | PLAIN.keys()
"""First octets of everything that is protected."""
_NAMES = {glo: f"glo-{name}" for name, glo, _ in _SERVICES.values()} | {
    ded: f"ded-{name}" for name, _, ded in _SERVICES.values()
}


def ciphered_json(content: bytes) -> dict[str, Any]:
    """Security control, invocation counter and payload of a ciphered octet string; just the octets when it is too short."""
    if len(content) < 5:
        return {"content": content.hex()}
    control = content[0]
    return {
        "security_control": {
            "raw": control,
            "suite": control & 0x0F,
            "authenticated": bool(control & 0x10),
            "encrypted": bool(control & 0x20),
            "broadcast_key": bool(control & 0x40),
            "compressed": bool(control & 0x80),
        },
        "invocation_counter": int.from_bytes(content[1:5], "big"),
        "payload": content[5:].hex(),
    }


@record
class ServiceCiphered(Record):
    """A glo- or ded- APDU: `tag` says which service is inside and which key protects it."""

    tag: U8
    content: OCTETS

    @property
    def dedicated(self) -> bool:
        """Whether the dedicated key is used."""
        return self.tag in DED.values()

    @property
    def name(self) -> str:
        """The name of the standard: `glo-get-request`."""
        return _NAMES[self.tag]

    def problems(self) -> list[str]:
        """The tag is one of the table."""
        return [] if self.tag in PLAIN else [f"tag {self.tag:#04x} is no glo- or ded- service"]

    def to_json(self) -> dict[str, Any]:
        """The header of the octet string, opened."""
        return {"tag": self.tag, **ciphered_json(self.content)}

    @classmethod
    def from_json(cls, value: Any) -> ServiceCiphered:
        """The inverse of `to_json`."""
        return cls(value["tag"], _content(value))


def _content(value: Any) -> bytes:
    if "content" in value:
        return bytes.fromhex(value["content"])
    control, counter = int(value["security_control"]["raw"]), int(value["invocation_counter"])
    return bytes((control,)) + counter.to_bytes(4, "big") + bytes.fromhex(value["payload"])


class _General(Record):
    """What general-glo- and general-ded-ciphering share: the JSON form."""

    __slots__ = ()
    system_title: bytes
    content: bytes

    def to_json(self) -> dict[str, Any]:
        """The header of the octet string, opened."""
        return {"system_title": self.system_title.hex(), **ciphered_json(self.content)}

    @classmethod
    def from_json(cls, value: Any) -> Any:
        """The inverse of `to_json`."""
        return cls(bytes.fromhex(value["system_title"]), _content(value))  # type: ignore[call-arg]


@record
class GeneralGloCiphering(_General, prefix="DB"):
    """Any APDU under the global key, with the sender's system title (which nothing authenticates)."""

    system_title: OCTETS
    content: OCTETS


@record
class GeneralDedCiphering(_General, prefix="DC"):
    """Any APDU under the dedicated key, with the sender's system title."""

    system_title: OCTETS
    content: OCTETS


def prefixed(*fields: bytes) -> bytes:
    """Fields one behind the other, each with its length: what is authenticated, and what is signed."""
    return b"".join(encode_length(len(field)) + field for field in fields)


class _Addressed(Record):
    """What general-ciphering and general-signing share: the fields that say whose message it is, and for whom."""

    __slots__ = ()
    transaction_id: bytes
    originator_system_title: bytes
    recipient_system_title: bytes
    date_time: bytes
    other_information: bytes

    @property
    def header(self) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """Transaction-id to other-information."""
        titles = self.originator_system_title, self.recipient_system_title
        return self.transaction_id, *titles, self.date_time, self.other_information


GLOBAL_UNICAST, GLOBAL_BROADCAST, MASTER = 0, 1, 0
"""Key-ids of an identified key, and the one of the key that wraps."""


@record
class IdentifiedKey(Record):
    """The key is known: 0 global unicast, 1 global broadcast."""

    key_id: U8


@record
class WrappedKey(Record):
    """The key comes along, wrapped by the master key (0)."""

    kek_id: U8
    key_ciphered_data: OCTETS


@record
class AgreedKey(Record):
    """The key is agreed: 01 C(1e,1s), 02 C(0e,2s)."""

    key_parameters: OCTETS
    key_ciphered_data: OCTETS


@record
class GeneralCiphering(_Addressed, prefix="DD"):
    """Any APDU with its key described.  All but the key description is authenticated."""

    transaction_id: OCTETS
    originator_system_title: OCTETS
    recipient_system_title: OCTETS
    date_time: OCTETS
    other_information: OCTETS
    key_info: Annotated[Any, Optional(Alternatives(((0, IdentifiedKey), (1, WrappedKey), (2, AgreedKey))))]
    content: OCTETS

    def to_json(self) -> dict[str, Any]:
        """The fields, and the header of the octet string opened."""
        fields = {name: codec.to_json(getattr(self, name)) for name, codec in self.layout if name != "content"}
        return {**fields, **ciphered_json(self.content)}

    @classmethod
    def from_json(cls, value: Any) -> GeneralCiphering:
        """The inverse of `to_json`."""
        fields = {name: codec.from_json(value[name]) for name, codec in cls.layout if name != "content"}
        return cls(**fields, content=_content(value))


@record
class GeneralSigning(_Addressed, prefix="DF"):
    """Any APDU with a signature over all the fields before it."""

    transaction_id: OCTETS
    originator_system_title: OCTETS
    recipient_system_title: OCTETS
    date_time: OCTETS
    other_information: OCTETS
    content: OCTETS
    signature: OCTETS
