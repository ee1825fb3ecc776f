"""Devices and clients that hold the same keys: every mechanism, suite and context, for tests of both ends together."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from dlms.ciphering import Security
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.ic import AssociationLn, SecuritySetup, SecuritySetupV1
from dlms.ic.access_control import AssociationSnV2
from dlms.quirks import Quirk
from dlms.security import points
from dlms.security.certificates import Purpose
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.keys import KeySet
from dlms.security.peers import Peers
from dlms.security.policy import AUTHENTICATED_ENCRYPTED_POLICY, Policy
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SecuritySuite
from dlms.security.trust import CertificateStore
from dlms.server import Access, Device, LogicalDevice, Rights, Served, ServerAssociation
from dlms.server.security import SecuritySetup as SetupState
from obis import Obis
from tests.dlms.server import devices

CLIENT_TITLE, SERVER_TITLE = b"CLI00001", b"SRV00001"
SECRET = b"a secret of HLS!"
SETUP = Obis("0.0.43.0.0.255")
MANAGER = 1
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
EVERYTHING = (
    devices.EVERYTHING
    | Conformance.GENERAL_PROTECTION
    | Conformance.ACCESS
    | Conformance.READ
    | Conformance.WRITE
    | Conformance.PARAMETERIZED_ACCESS
)


def key_set(suite: SecuritySuite, salt: int = 0) -> KeySet:
    """Four keys that differ."""
    return KeySet(*(bytes((salt + at,)) * suite.key_length for at in (1, 2, 3, 4)))


@dataclasses.dataclass
class World:
    """A device and what a client needs to talk to it."""

    device: Device
    setup: SetupState
    security: Security
    server_store: MemoryCounterStore
    client_store: MemoryCounterStore

    def client(self, **changes: Any) -> Security:
        """The client's security, changed."""
        return dataclasses.replace(self.security, **changes)


def with_short_names(seen: dict[Any, Served]) -> dict[Any, Served]:
    """The objects, with an association of short names instead of one of logical names."""
    association = AssociationSnV2("0.0.40.0.0.255")
    rights = Rights(dict.fromkeys(association.attributes, Access.READ), frozenset(association.methods))
    others = {key: one for key, one in seen.items() if key[0] != AssociationLn.class_id}
    return {**others, (association.class_id, association.instance): Served(association, rights)}


def world(
    mechanism: Mechanism = Mechanism.HLS_GMAC,
    suite: SecuritySuite = SUITE_0,
    *,
    context: ApplicationContext = ApplicationContext.LN_CIPHERED,
    policy: Policy = AUTHENTICATED_ENCRYPTED_POLICY,
    access: Access = Access.READ_WRITE,
    conformance: Conformance = EVERYTHING,
    objects: dict[Any, Served] | None = None,
    max_receive: int = 0xFFFF,
    quirks: frozenset[Quirk] = frozenset(),
    **options: Any,
) -> World:
    """A device with a public and a secured association, and its client."""
    keys = key_set(suite)
    pairs: dict[str, dict[str, Any]] = {"client": {}, "server": {}}
    known: dict[str, dict[tuple[bytes, Purpose], bytes]] = {"client": {}, "server": {}}
    if suite is not SUITE_0:
        for own, other, title in (("client", "server", CLIENT_TITLE), ("server", "client", SERVER_TITLE)):
            for purpose, name in ((Purpose.SIGNATURE, "signing_key"), (Purpose.KEY_AGREEMENT, "agreement_key")):
                key = points.generate(suite)
                pairs[own][name] = points.private_secret(key, suite)
                known[other][title, purpose] = points.public_octets(key.public_key(), suite)
    providers = {
        end: MemoryKeyProvider(keys, suite, peers=Peers(CertificateStore((), NOW), known[end]), **pairs[end])
        for end in ("client", "server")
    }
    server_store, client_store = MemoryCounterStore(), MemoryCounterStore()
    setup = SetupState(providers["server"], Counters(server_store), SERVER_TITLE, policy, **options)
    seen = objects or devices.seen(access, True)
    guarded = (SecuritySetup if suite is SUITE_0 else SecuritySetupV1)(SETUP)
    rights = Rights(dict.fromkeys(guarded.attributes, Access.READ), frozenset(guarded.methods))
    seen = {**seen, (guarded.class_id, guarded.instance): Served(guarded, rights)}
    if context.short_names:
        seen = with_short_names(seen)
    granted = ServerAssociation(
        MANAGER, devices.SERVER, seen, conformance, mechanism, SECRET, max_receive, context, security_setup=SETUP
    )
    public = ServerAssociation(devices.PUBLIC, devices.SERVER, devices.seen(Access.READ, False), devices.EVERYTHING)
    device = Device(
        devices.store(),
        (LogicalDevice(devices.SERVER, b"TST0000000000001"),),
        (public, granted),
        quirks=quirks,
        security={SETUP: setup},
    )
    security = Security(providers["client"], Counters(client_store), CLIENT_TITLE)
    return World(device, setup, security, server_store, client_store)
