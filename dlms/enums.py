"""Enumerations of the Green Book that more than one module needs.

Values that the books do not name stay plain integers: an unknown code of a peer must never crash a reader.
"""

from __future__ import annotations

import enum
from typing import TypeVar

E = TypeVar("E", bound=enum.IntEnum)


def named(kind: type[E], value: int) -> E | int:
    """The member of `kind` with this value, or the bare integer when there is none."""
    return kind._value2member_map_.get(value, value)  # type: ignore[return-value]


def label(kind: type[enum.IntEnum], value: int) -> str:
    """The name of a value as the standard writes it: `read-write-denied`; `other(77)` when there is none."""
    member = kind._value2member_map_.get(value)
    return f"other({value})" if member is None else str(member.name).lower().replace("_", "-")


class AccessResult(enum.IntEnum):
    """Data-Access-Result: how a read or a write went.  Green Book, COSEMpdu."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class ActionCode(enum.IntEnum):
    """Action-Result: how a call went.  It has no code for a wrong block number.  Green Book, COSEMpdu."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


class Conformance(enum.IntFlag):
    """The 24 conformance bits; bit 0 of the standard is the most significant.  Green Book, xDLMS conformance block."""

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE_0_SUPPORTED_WITH_SET = 1 << 15
    PRIORITY_MANAGEMENT_SUPPORTED = 1 << 14
    ATTRIBUTE_0_SUPPORTED_WITH_GET = 1 << 13
    BLOCK_TRANSFER_WITH_GET_OR_READ = 1 << 12
    BLOCK_TRANSFER_WITH_SET_OR_WRITE = 1 << 11
    BLOCK_TRANSFER_WITH_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


def bit_names(bits: Conformance) -> str:
    """Conformance bits as the standard writes them: `get and selective-access`."""
    return " and ".join(str(bit.name).lower().replace("_", "-") for bit in Conformance if bit in bits)


class ApplicationContext(enum.IntEnum):
    """Last arc of 2.16.756.5.8.1.x: how objects are named and whether APDUs are ciphered."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4

    @property
    def short_names(self) -> bool:
        """Whether objects are named by short names."""
        return self in (ApplicationContext.SN, ApplicationContext.SN_CIPHERED)

    @property
    def ciphered(self) -> bool:
        """Whether APDUs are ciphered."""
        return self in (ApplicationContext.LN_CIPHERED, ApplicationContext.SN_CIPHERED)


class Mechanism(enum.IntEnum):
    """Last arc of 2.16.756.5.8.2.x: the authentication mechanism."""

    NONE = 0
    LLS = 1
    HLS = 2
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6
    HLS_ECDSA = 7

    @property
    def with_keys(self) -> bool:
        """Whether keys are proven; the others from LLS on prove a secret."""
        return self in (Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)

    @property
    def with_titles(self) -> bool:
        """Whether the two ends tell each other their system titles, which the proofs bind."""
        return self >= Mechanism.HLS_GMAC


class AssociationResult(enum.IntEnum):
    """Association-result of an AARE."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class UserDiagnostic(enum.IntEnum):
    """Acse-service-user diagnostic of an AARE."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED = 10
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class ProviderDiagnostic(enum.IntEnum):
    """Acse-service-provider diagnostic of an AARE."""

    NULL = 0
    NO_REASON_GIVEN = 1
    NO_COMMON_ACSE_VERSION = 2


class StateError(enum.IntEnum):
    """State-error of an exception-response."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceError(enum.IntEnum):
    """Service-error of an exception-response."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


class ReleaseRequestReason(enum.IntEnum):
    """Reason of an RLRQ."""

    NORMAL = 0
    URGENT = 1
    USER_DEFINED = 30


class ReleaseResponseReason(enum.IntEnum):
    """Reason of an RLRE."""

    NORMAL = 0
    NOT_FINISHED = 1
    USER_DEFINED = 30
