"""Data protection for the client: what a meter protects for us and we for it.  Experimental: see `dlms.protected_buffer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlms.ciphering import Security
from dlms.client import Client
from dlms.codec import ABSENT
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError, RemoteProtocolError
from dlms.ic import DataProtection
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.protected_buffer import opened, parameters_of, sealed
from dlms.security.channel import Channel
from dlms.values import Enum, Integer, LongUnsigned


class ProtectedData:
    """A Data protection object of a meter, used over an open association.  Experimental: see this module.

    `security` has the keys and the system titles, which need not be those of the association.  Methods raise AccessError when
    the meter refuses, SecurityError when its answer is not protected as was asked for, LocalProtocolError without its title.
    """

    def __init__(self, client: Client, of: DataProtection, security: Security) -> None:
        if security.peer_title is None:
            raise LocalProtocolError("whom protected data is for, and from, must be known: say `peer_title`")
        self.client, self.of, self.protection = client, of, security.protection
        self._channel = Channel(security.provider, security.counters, security.system_title, security.peer_title)

    def get(self, refs: Sequence[AttributeRef[Any]]) -> list[Any]:
        """The values of attributes; an AccessError stands for each that the meter does not give."""
        answer = self.client.call(self.of.get_protected_attributes, (_listed(refs), self._parameters))
        values = self._answer(answer, len(refs))
        refused = (AccessError(AccessResult.READ_WRITE_DENIED, ref) for ref in refs)
        return [error if value is None else value for value, error in zip(values, refused, strict=True)]

    def set(self, assignments: Sequence[tuple[AttributeRef[Any], Any]]) -> list[AccessError | None]:
        """Write attributes: None for each that was written, the AccessError of each that was refused."""
        refs = [ref for ref, _ in assignments]
        buffer = sealed(tuple(typed(ref, value) for ref, value in assignments), self.protection, self._channel)
        codes = self.client.call(self.of.set_protected_attributes, (_listed(refs), self._parameters, buffer))
        if not isinstance(codes, list) or len(codes) != len(refs) or not all(isinstance(one, Enum) for one in codes):
            raise RemoteProtocolError(f"{self.of.set_protected_attributes}: {codes!r:.80} are no results")
        pairs = zip(codes, refs, strict=True)
        return [None if code == AccessResult.SUCCESS else AccessError(int(code), ref) for code, ref in pairs]

    def call(self, ref: MethodRef[Any], parameter: Any = ABSENT) -> Any:
        """Call a method; returns what it returns, None for nothing."""
        given = typed(ref, 0 if parameter is ABSENT else parameter)
        method = LongUnsigned(ref.class_id), bytes(ref.instance), Integer(ref.index)
        buffer = sealed((given,), self.protection, self._channel)
        answer = self.client.call(self.of.invoke_protected_method, (method, self._parameters, buffer))
        return self._answer(answer, 1)[0]

    @property
    def _parameters(self) -> list[tuple[Enum, None]]:
        return parameters_of(self.protection)

    def _answer(self, answer: Any, count: int) -> tuple[Any, ...]:
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise RemoteProtocolError(f"{self.of}: {answer!r:.80} is no protected data")
        values, _ = opened(answer[1], self.protection, self._channel)
        if len(values) != count:
            raise RemoteProtocolError(f"{self.of}: {len(values)} values, {count} were asked for")
        return values


def _listed(refs: Sequence[AttributeRef[Any]]) -> list[tuple[Any, ...]]:
    return [
        (LongUnsigned(ref.class_id), bytes(ref.instance), Integer(ref.index), LongUnsigned(0), None) for ref in refs
    ]
