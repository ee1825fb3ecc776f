"""Keys, certificates and trust of many devices in one JSON file that only its owner can read.

    {"format": "dlms-meters keys", "version": 1,
     "devices": {"head end": {"suite": 1, "system_title": "4d4d4d0000000001", "signing_key": "..",
                              "certificates": {"signature": "<base64 of DER>"}},
                 "meter 12": {"suite": 1, "system_title": "4d4d4d0000bc614e", "identity": "head end",
                              "encryption": "00..0f", "authentication": "d0..df",
                              "next": {"encryption": {"key": "10..1f", "phase": "sent"}},
                              "certificates": {"signature": "..", "key_agreement": ".."}}},
     "trust": {"anchors": ["<base64 of DER>"], "authorities": []}}

Keys are hex; private keys are numbers in the width of the suite's curve, `secret` is that of the authentication
mechanism.  `signing_key`, `agreement_key` and `tls_key` are ours: they stand with the device, or with the entry that
its `identity` names, which is who we are towards it.  `requested` holds private keys whose certificate was asked for
and has not come.  `public_keys` are points trusted without a certificate.  `next` belongs to `dlms.security.rotation`,
`policy` to `dlms.security.key_store`: it is that of a device whose own store this is.

Certificates stand here and not in a folder of their own, so that one atomic write puts a key pair and its certificate
in force together.  A field that is not known is refused: a misspelt key would be a missing one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlms.security import keyfile_json
from dlms.security.keyfile_json import KeyFileError, unique
from dlms.security.keys import KEY_NAMES, KeyMaterialError, KeySet, NextKey, Secret
from dlms.security.policy import Policy
from dlms.security.providers import MemoryKeyProvider
from dlms.security.store import locked, read_private, replace_private, write_private
from dlms.security.suite import SUITE_0, SecuritySuite

if TYPE_CHECKING:
    from dlms.security.peers import Peers

__all__ = ["FORMAT", "PRIVATE_KEYS", "VERSION", "DeviceKeys", "KeyFile", "KeyFileError"]

FORMAT, VERSION = "dlms-meters keys", 1

PRIVATE_KEYS = {"signature": "signing_key", "key_agreement": "agreement_key", "tls": "tls_key"}
"""By the purpose of a certificate: the field that holds its private key."""

SECRETS = (*KEY_NAMES, *PRIVATE_KEYS.values(), "secret")
"""The fields of an entry that must not be seen."""


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What the key file says of one device, or of ourselves."""

    keys: KeySet
    suite: SecuritySuite = SUITE_0
    system_title: bytes | None = None
    signing_key: Secret | None = None
    agreement_key: Secret | None = None
    tls_key: Secret | None = None
    secret: Secret | None = None
    """Of the authentication mechanism."""
    identity: str | None = None
    """The entry that says who we are towards this device."""
    next: Mapping[str, NextKey] = dataclasses.field(default_factory=dict)
    """New symmetric keys on their way, by the name of the key that they replace."""
    requested: Mapping[str, Secret] = dataclasses.field(default_factory=dict)
    """Private keys whose certificate was asked for, by purpose."""
    certificates: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    """DER, by purpose; verified by who uses them."""
    public_keys: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    """x || y, by purpose: trusted without a certificate."""
    policy: Policy | None = None
    """The security policy of a device that this file is the key store of."""

    def private_key(self, purpose: str) -> Secret | None:
        """The private key in use for "signature", "key_agreement" or "tls"."""
        key: Secret | None = getattr(self, PRIVATE_KEYS[purpose])
        return key

    def with_secret(self, name: str, key: Secret) -> DeviceKeys:
        """The entry with one secret more or another one, by the name of its field.

        Raises KeyMaterialError for a name that is none, and for a key that the suite cannot have.
        """
        if name in KEY_NAMES:
            keys = self.keys.replace(**{name: key})
            keys.get(name, self.suite)
            return dataclasses.replace(self, keys=keys)
        if name not in SECRETS:
            raise KeyMaterialError(f"{name!r} is no secret of an entry: {', '.join(SECRETS)} are")
        if name in PRIVATE_KEYS.values():
            from dlms.security import points  # public key code is loaded by who uses it

            points.private_key(key, self.suite)
        changes: dict[str, Any] = {name: key}
        return dataclasses.replace(self, **changes)

    def provider(self, peers: Peers | None = None) -> MemoryKeyProvider:
        """A provider with these keys."""
        return MemoryKeyProvider(
            self.keys,
            self.suite,
            signing_key=self.signing_key,
            agreement_key=self.agreement_key,
            certificates=self.certificates,
            peers=peers,
        )


class KeyFile:
    """Devices by name, and whom to trust.

    `load`, `save` and `edit` go to a file of mode 0600; `parse` and `text` are for other places.  `anchors` and
    `authorities` are certificates, DER.
    """

    def __init__(
        self,
        devices: Mapping[str, DeviceKeys] | None = None,
        anchors: tuple[bytes, ...] = (),
        authorities: tuple[bytes, ...] = (),
    ) -> None:
        self.devices: dict[str, DeviceKeys] = dict(devices or {})
        self.anchors, self.authorities = anchors, authorities

    @classmethod
    def load(cls, path: Path) -> KeyFile:
        """The devices of a file.  Raises PrivateFileError when others can read it, KeyFileError for its content."""
        return cls.parse(read_private(path))

    @classmethod
    def parse(cls, content: bytes | str) -> KeyFile:
        """The devices of a JSON text.  Raises KeyFileError."""
        try:
            document = json.loads(content, object_pairs_hook=unique)
        except (ValueError, RecursionError):
            document = None  # the fault itself carries the text, so that it must not even be the context of ours
        if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("version") != VERSION:
            raise KeyFileError(f"the key file is not JSON, each name once, that says {FORMAT!r}, version {VERSION}")
        unknown = sorted(document.keys() - {"format", "version", "devices", "trust"})
        if unknown:
            raise KeyFileError(f"the key file has an unknown field {unknown[0][:40]!r}")
        devices = document.get("devices")
        if not isinstance(devices, dict):
            raise KeyFileError("the key file has no devices")
        anchors, authorities = keyfile_json.trust(document.get("trust", {}))
        found = cls({name: DeviceKeys(**keyfile_json.device(name, one)) for name, one in devices.items()})
        found.anchors, found.authorities = anchors, authorities
        found._check_identities()
        return found

    def __getitem__(self, name: str) -> DeviceKeys:
        """One device.  Raises KeyMaterialError for a name that is not in the file."""
        try:
            return self.devices[name]
        except KeyError:
            raise KeyMaterialError(f"the key file has no device {name!r}") from None

    def __repr__(self) -> str:
        return f"<KeyFile of {len(self.devices)} devices>"

    def by_title(self, system_title: bytes) -> DeviceKeys | None:
        """The device with this system title, None when there is none."""
        return next((device for device in self.devices.values() if device.system_title == system_title), None)

    def identity(self, name: str) -> DeviceKeys:
        """Who we are towards a device: the entry that it names, else its own.  Raises KeyMaterialError."""
        device = self[name]
        return device if device.identity is None else self[device.identity]

    def peers(self, now: datetime.datetime, clock: Callable[[], datetime.datetime] | None = None) -> Peers:
        """The public keys of all devices, their certificates verified at `now`, which is aware.

        Certificates that break a rule are left out and stand in `refused`.  `clock` gives the time of what is verified
        later, `now` without it.  Raises CertificateError for an anchor.
        """
        from dlms.security.peers import Peers  # X.509 is loaded by who uses it

        return Peers.of(self, now, clock)

    def provider(self, name: str, peers: Peers | None = None) -> MemoryKeyProvider:
        """The keys shared with a device, the private keys and certificates of our identity towards it, and `peers`.

        One `peers(now)` serves many devices.  Raises KeyMaterialError.
        """
        return dataclasses.replace(self.identity(name), keys=self[name].keys, suite=self[name].suite).provider(peers)

    def text(self) -> str:
        """The JSON text, keys in clear: for a file that only its owner can read."""
        document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        document["devices"] = {name: keyfile_json.fields(device) for name, device in self.devices.items()}
        if self.anchors or self.authorities:
            document["trust"] = keyfile_json.trust_fields(self.anchors, self.authorities)
        return json.dumps(document, indent=2) + "\n"

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Writes a file of mode 0600.  Raises PrivateFileError, also where a file stands and `replace` is not said."""
        self._check_identities()
        (replace_private if replace else write_private)(path, self.text().encode())

    @classmethod
    @contextlib.contextmanager
    def edit(cls, path: Path) -> Iterator[KeyFile]:
        """The file to be changed by the body: durably saved at its end, untouched when the body raises.

        Other processes that edit it wait meanwhile.  A link stays one: what it leads to is locked and changed, as for who
        names that.  Raises PrivateFileError, KeyFileError.
        """
        if path.is_symlink():
            path = Path(os.path.realpath(path))  # `resolve` raises for links that go round, before Python 3.13
        with locked(path):
            file = cls.load(path)
            before = file.text()
            yield file
            if file.text() != before:
                file.save(path, replace=True)

    def _check_identities(self) -> None:
        for name, device in self.devices.items():
            if device.identity is None:
                continue
            named = self.devices.get(device.identity)
            if named is None or named.identity is not None:
                raise KeyFileError(f"device {name!r}: identity {device.identity!r} is no other entry with its own keys")
            if any(device.private_key(purpose) is not None for purpose in PRIVATE_KEYS):
                raise KeyFileError(f"device {name!r}: private keys stand with the entry that its identity names")


def secrets_of(device: DeviceKeys) -> dict[str, Secret]:
    """Every secret of an entry by a name for people: "encryption", "signing_key", "next encryption", …"""
    found = {name: getattr(device.keys if name in KEY_NAMES else device, name) for name in SECRETS}
    found |= {f"next {name}": one.key for name, one in device.next.items()}
    found |= {f"requested {purpose}": key for purpose, key in device.requested.items()}
    return {name: key for name, key in found.items() if key is not None}
