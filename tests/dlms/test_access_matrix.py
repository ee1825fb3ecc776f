"""Access rights that want protection: every bit, of requests and responses, for reading, writing and calling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dlms.client import Client, connect
from dlms.enums import AccessResult, ApplicationContext, Mechanism
from dlms.errors import AccessError
from dlms.ic import Data, Register
from dlms.security.policy import Envelope, Policy, Protection
from dlms.security.suite import SUITE_0, SUITE_1, SecuritySuite
from dlms.server import Access, MemoryStore, Rights, Served
from tests.dlms.secured import MANAGER, World, world
from tests.dlms.served import memory_name, served

A, E, S = Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.SIGNED
BITS = [one for one in Access if one > Access.WRITE]
NOTHING = Access.NONE
contexts = pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])


def data(bit: Access) -> Data:
    return Data(f"0.0.96.1.{int(bit).bit_length()}.255")


def register(bit: Access) -> Register:
    return Register(f"1.0.{int(bit).bit_length() + 1}.8.0.255")


OPERATIONS: dict[str, Callable[[Client, Access], Any]] = {
    "get": lambda client, bit: client.get(data(bit).value),
    "set": lambda client, bit: client.set(data(bit).value, b"written"),
    "call": lambda client, bit: client.call(register(bit).reset),
}


def meter(suite: SecuritySuite, context: ApplicationContext, **options: Any) -> World:
    """A device with an object and a method for each bit of protection, and for none."""
    objects: dict[tuple[int, Any], Served] = {}
    for bit in (NOTHING, *BITS):
        value, method = data(bit), register(bit)
        objects[1, value.instance] = Served(value, Rights({2: Access.READ_WRITE | bit}))
        objects[3, method.instance] = Served(method, Rights({}, frozenset((1,)), {1: bit}))
    of = world(
        Mechanism.NONE,
        suite,
        context=context,
        policy=Policy.NOTHING,
        objects=objects,
        allow_unauthenticated=True,
        **options,
    )
    store = of.device.store
    assert isinstance(store, MemoryStore)
    for bit in (NOTHING, *BITS):
        store.put(data(bit).value, b"value")
        store.methods[register(bit).reset] = lambda parameter: None
    return of


def asked(of: World, protection: Protection, context: ApplicationContext, envelope: Envelope) -> dict[Any, Any]:
    """What came of every operation on every bit: how the response was protected, or None where it was refused."""
    security = of.client(protection=protection, envelope=envelope, allow_unauthenticated=True)
    found: dict[Any, Any] = {}
    with (
        served(memory_name(), of.device) as url,
        connect(url, client=MANAGER, timeout_s=5, security=security, auth=Mechanism.NONE, context=context) as client,
    ):
        seen = recorded(client)
        for name, operation in OPERATIONS.items():
            for bit in (NOTHING, *BITS):
                try:
                    operation(client, bit)
                except AccessError as refusal:
                    found[name, bit] = None if refusal.result == AccessResult.READ_WRITE_DENIED else refusal
                else:
                    found[name, bit] = seen[-1]
    return found


def recorded(client: Client) -> list[Protection]:
    """How what arrives is protected, from now on."""
    inner: Any = client.connection._ciphering
    ciphering, found = inner._ciphering, list[Protection]()
    really = ciphering.open

    def open_and_note(octets: bytes, required: Protection = Protection.NONE) -> Any:
        opened = really(octets, required)
        found.append(opened.protection)
        return opened

    ciphering.open = open_and_note
    return found


def expected(bit: Access, protection: Protection, signs: bool) -> Protection | None:
    """Refused, or protected as the request and as the bit wants besides."""
    policy = Access(bit).policy
    if not protection.covers(policy.request) or (S in policy.response and not signs):
        return None
    return protection | policy.response


@contexts
@pytest.mark.parametrize("envelope", [Envelope.SERVICE, Envelope.GENERAL])
@pytest.mark.parametrize(
    ("suite", "protection"),
    [
        (SUITE_0, A),
        (SUITE_0, E),
        (SUITE_0, A | E),
        (SUITE_1, A),
        (SUITE_1, A | E),
        (SUITE_1, A | S),
        (SUITE_1, A | E | S),
    ],
    ids=lambda one: f"suite{one.id}" if isinstance(one, SecuritySuite) else str(one),
)
def test_every_bit(suite: SecuritySuite, protection: Protection, short: bool, envelope: Envelope) -> None:
    context = ApplicationContext(1 + short)
    of = meter(suite, ApplicationContext(3 + short))
    found = asked(of, protection, context, envelope)
    signs = suite is SUITE_1 and (
        envelope is Envelope.GENERAL or S in protection
    )  # then general-protection was agreed on
    assert found == {(name, bit): expected(bit, protection, signs) for name in OPERATIONS for bit in (NOTHING, *BITS)}
    store = of.device.store
    assert isinstance(store, MemoryStore)
    written = {bit for bit in (NOTHING, *BITS) if store.values[data(bit).value] == b"written"}
    assert written == {bit for bit in (NOTHING, *BITS) if found["set", bit] is not None}


@contexts
def test_without_ciphering_only_what_wants_no_protection(short: bool) -> None:
    """Nothing is answered in clear whose answer has to be protected, and nothing is done that would be."""
    context = ApplicationContext(1 + short)
    of = meter(SUITE_0, context)
    with (
        served(memory_name(), of.device) as url,
        connect(url, client=MANAGER, timeout_s=5, auth=Mechanism.NONE, context=context) as client,
    ):
        for operation in OPERATIONS.values():
            operation(client, NOTHING)
            for bit in BITS:
                with pytest.raises(AccessError, match="denied"):
                    operation(client, bit)
    store = of.device.store
    assert isinstance(store, MemoryStore)
    assert [bit for bit in BITS if store.values[data(bit).value] != b"value"] == []


def test_a_device_without_a_signing_key_signs_nothing() -> None:
    of = meter(SUITE_1, ApplicationContext.LN_CIPHERED)
    provider: Any = of.setup.provider
    provider._signing_key = None
    found = asked(of, A | E, ApplicationContext.LN, Envelope.GENERAL)
    assert found["get", Access.SIGNED_RESPONSE] is None
    assert found["get", Access.ENCRYPTED_RESPONSE] == A | E


def test_room_for_what_rights_want_of_a_response() -> None:
    """A long value comes in blocks that fit, signature and all."""
    of = meter(SUITE_1, ApplicationContext.LN_CIPHERED)
    store = of.device.store
    assert isinstance(store, MemoryStore)
    store.put(data(Access.SIGNED_RESPONSE).value, bytes(range(256)) * 8)
    security = of.client(protection=A | E, envelope=Envelope.GENERAL)
    with (
        served(memory_name(), of.device) as url,
        connect(url, client=MANAGER, timeout_s=5, security=security, auth=Mechanism.NONE, max_receive=400) as client,
    ):
        sizes: list[int] = []
        client.progress = sizes.append
        assert client.get(data(Access.SIGNED_RESPONSE).value) == bytes(range(256)) * 8
        assert max(sizes) <= 408


def test_a_list_is_answered_as_its_strictest_member_wants() -> None:
    of = meter(SUITE_0, ApplicationContext.LN_CIPHERED)
    security = of.client(protection=A)
    with (
        served(memory_name(), of.device) as url,
        connect(url, client=MANAGER, timeout_s=5, security=security, auth=Mechanism.NONE) as client,
    ):
        seen = recorded(client)
        refs = [data(bit).value for bit in (NOTHING, Access.ENCRYPTED_RESPONSE, Access.ENCRYPTED_REQUEST)]
        found = client.get_many(refs)
        assert found[:2] == [b"value", b"value"]
        assert isinstance(found[2], AccessError)
        assert seen[-1] == A | E
        client.get(data(NOTHING).value)
        assert seen[-1] == A, "what one request owed, the next does not"
