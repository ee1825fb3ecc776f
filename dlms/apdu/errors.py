"""Answers that refuse a whole APDU: exception-response and ConfirmedServiceError.  Green Book, COSEMpdu."""

from __future__ import annotations

import enum
from typing import Annotated

from dlms.codec import U8, Fixed, Record, record
from dlms.enums import ServiceError, StateError, label

_COUNTER_ERROR = int(ServiceError.INVOCATION_COUNTER_ERROR)


@record
class ExceptionResponse(Record, prefix="D8"):
    """The service was not carried out.  `invocation_counter` comes with a counter error only: the lowest acceptable one."""

    state_error: U8
    service_error: U8
    invocation_counter: Annotated[int | None, Fixed("I")] = None

    @classmethod
    def decode_from(cls, buf: bytes, pos: int) -> tuple[ExceptionResponse, int]:
        """The counter follows a counter error, and nothing else."""
        state, service = buf[pos], buf[pos + 1]
        if service != _COUNTER_ERROR:
            return cls(state, service), pos + 2
        counter, end = cls.layout[2][1].decode(buf, pos + 2)
        return cls(state, service, counter), end

    def encode_to(self, out: bytearray) -> None:
        """Append both codes and, for a counter error, the counter."""
        out += bytes((self.state_error, self.service_error))
        if self.service_error == _COUNTER_ERROR:
            out += int(self.invocation_counter or 0).to_bytes(4, "big")

    def __str__(self) -> str:
        return f"exception-response: {label(StateError, self.state_error)}, {label(ServiceError, self.service_error)}"


class ConfirmedService(enum.IntEnum):
    """Which service failed: the choice tag of a ConfirmedServiceError."""

    INITIATE_ERROR = 1
    READ = 5
    WRITE = 6


class ErrorClass(enum.IntEnum):
    """The kind of failure: the choice tag of its ServiceError."""

    APPLICATION_REFERENCE = 0
    HARDWARE_RESOURCE = 1
    VDE_STATE_ERROR = 2
    SERVICE = 3
    DEFINITION = 4
    ACCESS = 5
    INITIATE = 6
    LOAD_DATA_SET = 7
    TASK = 9
    OTHER = 10


class InitiateError(enum.IntEnum):
    """Why an initiate failed."""

    OTHER = 0
    DLMS_VERSION_TOO_LOW = 1
    INCOMPATIBLE_CONFORMANCE = 2
    PDU_SIZE_TOO_SHORT = 3
    REFUSED_BY_THE_VDE_HANDLER = 4


@record
class ConfirmedServiceError(Record, prefix="0E"):
    """A confirmed service failed: which one, what kind of failure, and its code."""

    service: U8
    error_type: U8
    value: U8

    def __str__(self) -> str:
        kind = label(ErrorClass, self.error_type)
        code = label(InitiateError, self.value) if self.error_type == ErrorClass.INITIATE else str(self.value)
        return f"confirmed-service-error: {label(ConfirmedService, self.service)}, {kind}, {code}"
