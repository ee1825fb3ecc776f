"""What a declared type answers, and the mixin that makes the classes of typed values such declarations themselves."""

from __future__ import annotations

import reprlib
from typing import Any, ClassVar, Protocol, Self

from dlms.axdr import EncodeError


class DataType(Protocol):
    """A type that an interface class declares: `Unsigned`, `OctetString(6)`, `Structure(...)`, `CHOICE`."""

    def coerce(self, value: Any) -> Any:
        """`value` in this type: a plain int, float, str or bytes takes it.  Raises EncodeError when it does not fit."""

    def check(self, value: Any) -> bool:
        """Whether `value`, as decoded, has this very type."""

    def describe(self) -> str:
        """The type in the standard's words: `structure{scaler integer, unit enum}`."""


class Typed:
    """Mixin: the class of a value is the declaration of its type."""

    __slots__ = ()
    type_name: ClassVar[str]
    PLAIN: ClassVar[tuple[type, ...]] = ()
    """The Python types that may take this one."""

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """From one of the `PLAIN` types."""
        return cls(value)  # type: ignore[call-arg]

    @classmethod
    def coerce(cls, value: Any) -> Self:
        """See `DataType.coerce`.  A value with another DLMS type is refused, as is a bool for a number."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, cls.PLAIN) or isinstance(value, Typed | bool):
            raise refusal(cls.type_name, value)
        try:
            return cls.from_plain(value)
        except EncodeError:
            raise
        except ValueError as fault:
            raise EncodeError(f"{reprlib.repr(value)} is no {cls.type_name}: {fault}") from fault

    @classmethod
    def check(cls, value: Any) -> bool:
        """See `DataType.check`."""
        return isinstance(value, cls)

    @classmethod
    def describe(cls) -> str:
        """See `DataType.describe`."""
        return cls.type_name


def refusal(wanted: str, value: object) -> EncodeError:
    """The error that says which type was wanted and what was given."""
    return EncodeError(f"{wanted} wanted, not {type(value).__name__} {reprlib.repr(value)}")
