"""A meter and its client whose keys are in key files, certified by one authority: for tests of what changes keys."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from dlms.ciphering import Security
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.ic import SecuritySetup, SecuritySetupV1
from dlms.security import enrolment
from dlms.security.bench_authority import BenchAuthority
from dlms.security.certificates import Purpose
from dlms.security.counters import Counters, CounterStore, MemoryCounterStore
from dlms.security.key_store import KeyStore
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeySet, Secret
from dlms.security.suite import SUITE_0, SUITES, SecuritySuite
from dlms.server import Access, Device, LogicalDevice, ServerAssociation
from dlms.server.security import SecuritySetup as SetupState
from dlms.server.security import security_objects
from obis import Obis
from tests.dlms.secured import EVERYTHING, with_short_names
from tests.dlms.server import devices

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
OURS, METER = b"HEA00001", b"MTR00012"
SETUP, MANAGER, DAYS = Obis("0.0.43.0.0.255"), 1, 100
HEAD_END, NAME = "head end", "meter"
AUTHORITIES = {number: BenchAuthority.create("bench", SUITES[number], NOW, DAYS) for number in (1, 2)}
SECRET = Secret(b"a secret of HLS!")
PURPOSES = (Purpose.SIGNATURE, Purpose.KEY_AGREEMENT)


def clock() -> datetime.datetime:
    return NOW


def key_set(suite: SecuritySuite) -> KeySet:
    return KeySet(*(bytes((at,)) * suite.key_length for at in (1, 2, 3, 4)))


def setup_object(suite: SecuritySuite) -> Any:
    """Version 0 in suite 0, else version 1."""
    return SecuritySetup(SETUP) if suite is SUITE_0 else SecuritySetupV1(SETUP)


@dataclasses.dataclass
class Files:
    """The key files of both ends, in memory until they are saved; each holds the certificates of both."""

    suite: SecuritySuite
    client: KeyFile
    meter: KeyFile

    @classmethod
    def of(cls, suite: SecuritySuite) -> Files:
        keys = key_set(suite)
        client = KeyFile(
            {
                HEAD_END: DeviceKeys(KeySet(), suite, OURS),
                NAME: DeviceKeys(keys, suite, METER, identity=HEAD_END, secret=SECRET),
            }
        )
        made = cls(suite, client, KeyFile({NAME: DeviceKeys(keys, suite, METER, secret=SECRET)}))
        if suite is not SUITE_0:
            made._certify(AUTHORITIES[suite.id])
        return made

    def _certify(self, authority: BenchAuthority) -> None:
        for file in (self.client, self.meter):
            enrolment.add_anchor(file, authority.certificate.public_bytes(Encoding.DER), NOW)
        for own, other, name, there in (
            (self.client, self.meter, HEAD_END, "client"),
            (self.meter, self.client, NAME, NAME),
        ):
            if there not in other.devices:
                other.devices[there] = DeviceKeys(KeySet(), self.suite, own[name].system_title)
            for purpose in PURPOSES:
                own.devices[name], request = enrolment.request(own[name], purpose)
                certificate = authority.issue(request, purpose, NOW, DAYS)
                enrolment.enrol(own, certificate, NOW, name)
                enrolment.enrol(other, certificate, NOW, there)

    def forget(self, file: KeyFile, name: str) -> None:
        """One end does not have the certificates of the other on file."""
        file.devices[name] = dataclasses.replace(file[name], certificates={})

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Of the client and of the meter."""
        paths = folder / "client.json", folder / "meter.json"
        self.client.save(paths[0])
        self.meter.save(paths[1])
        return paths

    def security(self, store: CounterStore | None = None, **changes: Any) -> Security:
        provider = self.client.provider(NAME, self.client.peers(NOW, clock))
        counters = Counters(MemoryCounterStore() if store is None else store)
        return dataclasses.replace(Security(provider, counters, OURS, METER), **changes)

    def setup(self, store: CounterStore | None = None, path: Path | None = None, **options: Any) -> SetupState:
        """The meter's state; in the file at `path` where one is given."""
        keys = KeyStore(self.meter, NAME, clock) if path is None else KeyStore.open(path, NAME, clock)
        return SetupState.of(keys, Counters(MemoryCounterStore() if store is None else store), **options)


def device(
    setup: SetupState,
    mechanism: Mechanism = Mechanism.HLS_GMAC,
    context: ApplicationContext = ApplicationContext.LN_CIPHERED,
    *,
    max_receive: int = 0xFFFF,
    conformance: Conformance = EVERYTHING,
) -> Device:
    """A meter with a public association, which sees setup and counter, and one that manages keys."""
    version = 0 if setup.provider.suite is SUITE_0 else 1
    seen = devices.seen(Access.READ_WRITE, True) | security_objects(SETUP, version, managed=True)
    public = devices.seen(Access.READ, False) | security_objects(SETUP, version)
    if context.short_names:
        seen = with_short_names(seen)
    keys = setup.keys
    assert keys is not None
    assert keys.device.secret is not None
    secret = keys.device.secret.reveal()
    granted = ServerAssociation(
        MANAGER, devices.SERVER, seen, conformance, mechanism, secret, max_receive, context, security_setup=SETUP
    )
    return Device(
        devices.store(),
        (LogicalDevice(devices.SERVER, b"TST0000000000001"),),
        (ServerAssociation(devices.PUBLIC, devices.SERVER, public, devices.EVERYTHING), granted),
        security={SETUP: setup},
        keep=lambda changed: keys.take_secret(changed.secret),
    )
