"""What a device holds for one Security setup, and how a client changes it: keys, key pairs, certificates, policy.

The content is that of a key file: the entry `name` is the device itself, the other entries are its clients, and the trust
is whom it believes.  A change is made as a whole or not at all; with a `path` it is in the file before it holds, so that
what the device has after a crash is what it had before the call, or after it.  Blue Book, Security setup version 1.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from dlms.errors import LocalProtocolError
from dlms.security import agreement, enrolment, points
from dlms.security.certificates import Purpose, extension_of, read
from dlms.security.enrolment import ANCHOR, DEVICE, Held
from dlms.security.identification import OTHER_TYPE, ByEntity, BySerial, CertificateInfo, Entity
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.peers import store_of
from dlms.security.policy import KEY_IDS, Policy
from dlms.security.providers import MemoryKeyProvider
from dlms.security.store import PrivateFileError
from dlms.security.subject import CertificateError
from dlms.security.wrap import unwrap

MAX_CERTIFICATES = 64
"""Certificates that a device holds, at most."""

T = TypeVar("T")
Which = ByEntity | BySerial


class KeyStore:
    """The keys and certificates of a device, in memory or in a key file; `clock` gives the time, aware.

    Methods raise SecurityError for what a client may not do or cannot prove, LocalProtocolError for what the store does
    not have, PrivateFileError when a change cannot be kept; nothing has changed then.
    """

    def __init__(
        self, file: KeyFile, name: str, clock: Callable[[], datetime.datetime], path: Path | None = None
    ) -> None:
        self.name, self._clock, self._path = name, clock, path
        self._file = file
        self.provider = self._made(file)
        """The keys as they are now; each change makes a new one."""

    @classmethod
    def open(cls, path: Path, name: str, clock: Callable[[], datetime.datetime]) -> KeyStore:
        """The store in a key file, which its changes go to.  Raises PrivateFileError, KeyFileError."""
        return cls(KeyFile.load(path), name, clock, path)

    def __repr__(self) -> str:
        return f"<KeyStore of {self.name!r}>"

    @property
    def device(self) -> DeviceKeys:
        """The entry of the device itself."""
        return self._file[self.name]

    @property
    def system_title(self) -> bytes:
        """Of the device.  Raises KeyMaterialError when the entry has none."""
        title = self.device.system_title
        if title is None:
            raise KeyMaterialError(f"the entry {self.name!r} has no system title")
        return title

    # symmetric keys and policy

    def transfer(self, wrapped: Mapping[str, bytes]) -> None:
        """Takes new keys that came wrapped under the master key, by name: all or none."""

        def new(device: DeviceKeys) -> KeySet:
            master = device.keys.get("master", device.suite)
            return device.keys.replace(**{key: unwrap(master, blob, device.suite) for key, blob in wrapped.items()})

        self._change_own(lambda device: dataclasses.replace(device, keys=new(device)))

    def agree(
        self, parts: Mapping[str, bytes], client_title: bytes, verify: Callable[[bytes, bytes], None]
    ) -> dict[str, bytes]:
        """Agrees on keys by name, C(2e,0s), all or none: the client's signed points in, ours out.

        `verify(signature, data)` judges what the client signed.
        """
        own, suite = self.system_title, self.device.suite
        answers, keys = dict[str, bytes](), dict[str, Secret]()
        for name, part in parts.items():
            point = agreement.verified_ephemeral(part, suite, verify, KEY_IDS[name])
            ephemeral = points.generate(suite)
            of = agreement.algorithm_of(name, suite)
            keys[name] = agreement.agree(ephemeral, point, suite, client_title, own, algorithm=of)
            sign = self.provider.sign
            answers[name] = agreement.signed_ephemeral(ephemeral.public_key(), suite, sign, KEY_IDS[name])
        self._change_own(lambda device: dataclasses.replace(device, keys=device.keys.replace(**keys)))
        return answers

    def activate(self, policy: Policy) -> None:
        """Keeps the security policy."""
        self._change_own(lambda device: dataclasses.replace(device, policy=policy))

    def take_secret(self, secret: bytes) -> None:
        """Keeps the secret of the association that these keys are for: what `Device(keep=...)` can call."""
        self._change_own(lambda device: dataclasses.replace(device, secret=Secret(secret)))

    # key pairs and certificates

    def generate(self, purpose: Purpose) -> None:
        """Makes a key pair, which waits for its certificate; until that comes the old one serves."""
        self._change_own(lambda device: enrolment.with_key_pair(device, purpose))

    def request(self, purpose: Purpose) -> bytes:
        """The signing request, DER, for the key pair that waits, else for the one in force; signed by that key."""
        return enrolment.request_for_held(self.device, purpose)

    def take(self, der: bytes) -> None:
        """Keeps a certificate, once it is verified: of the device, of a client, or of an authority below an anchor."""

        def change(file: KeyFile) -> None:
            certificate, now = read(der), self._clock()
            if certificate.issuer == certificate.subject:
                raise CertificateError("what vouches for itself is trusted out of band, and not imported")
            if extension_of(certificate, x509.BasicConstraints) is not None:
                enrolment.add_authority(file, der, now)
            else:
                self._take_device(file, certificate, der, now)
            if len(enrolment.held(file)) > MAX_CERTIFICATES:
                raise CertificateError(f"a device holds {MAX_CERTIFICATES} certificates at most")

        self._change(change)

    def export(self, which: Which) -> bytes:
        """One certificate, DER."""
        return self._find(self._file, which).der

    def remove(self, which: Which) -> None:
        """Forgets a certificate; a private key that it belongs to stays."""

        def change(file: KeyFile) -> None:
            found = self._find(file, which)
            if found.role == ANCHOR:
                raise CertificateError("a trust anchor is not removed by a client")
            enrolment.remove(file, found)

        self._change(change)

    def certificates(self) -> list[CertificateInfo]:
        """Every certificate that the device holds."""
        return [CertificateInfo.of(*self._kind(one), one.certificate) for one in enrolment.held(self._file)]

    # the one way to change anything

    def _change(self, change: Callable[[KeyFile], T]) -> T:
        """Makes a change as a whole: it holds when it is kept."""
        if self._path is None:
            file = KeyFile(self._file.devices, self._file.anchors, self._file.authorities)
            result = change(file)
            provider = self._made(file)
        else:
            try:
                with KeyFile.edit(self._path) as file:
                    result = change(file)
                    provider = self._made(file)
            except PrivateFileError:
                self._hold(KeyFile.load(self._path))  # a disk that fails at the very end may have kept it
                raise
        self._file, self.provider = file, provider
        return result

    def _change_own(self, change: Callable[[DeviceKeys], DeviceKeys]) -> None:
        def whole(file: KeyFile) -> None:
            file.devices[self.name] = change(file[self.name])

        self._change(whole)

    def _hold(self, file: KeyFile) -> None:
        self._file = file
        self.provider = self._made(file)

    def _made(self, file: KeyFile) -> MemoryKeyProvider:
        """The keys of a file.  One whose anchors are not good any more vouches for nobody, and its other keys serve on."""
        now = self._clock()
        try:
            peers = file.peers(now, self._clock)
        except CertificateError:
            peers = KeyFile(file.devices).peers(now, self._clock)
        return file.provider(self.name, peers)

    def _take_device(self, file: KeyFile, certificate: x509.Certificate, der: bytes, now: datetime.datetime) -> None:
        found = store_of(file, now)[0].verify(certificate, now)
        own = file[self.name]
        if found.suite is not own.suite:
            raise CertificateError("the certified key is on another curve than that of the security suite")
        if found.system_title == own.system_title:
            purpose = found.purpose.name.lower()
            if purpose not in own.requested and own.private_key(purpose) is None:
                raise CertificateError(f"the device has no {purpose} key pair for a certificate of its own")
            name = self.name
        else:
            name = self._client(file, found.system_title)
        enrolment.enrol(file, der, now, name)

    def _client(self, file: KeyFile, title: bytes) -> str:
        """The entry of a client, made where there is none."""
        for name, device in file.devices.items():
            if device.system_title == title:
                return name
        name = f"client {title.hex()}"
        file.devices[name] = DeviceKeys(KeySet(), file[self.name].suite, title)
        return name

    def _kind(self, one: Held) -> tuple[Entity, int]:
        """Whose certificate it is, and what for."""
        if one.role != DEVICE:
            return Entity.AUTHORITY, OTHER_TYPE
        return Entity.SERVER if one.name == self.name else Entity.CLIENT, Purpose[one.purpose.upper()].value

    def _find(self, file: KeyFile, which: Which) -> Held:
        """The one certificate that is meant.  Raises LocalProtocolError when there is none, or more than one."""
        found = [one for one in enrolment.held(file) if self._meant(file, one, which)]
        if len(found) != 1:
            raise LocalProtocolError(f"{len(found)} certificates are so identified")
        return found[0]

    def _meant(self, file: KeyFile, one: Held, which: Which) -> bool:
        if isinstance(which, BySerial):
            certificate = one.certificate
            return certificate.serial_number in which.serials and certificate.issuer.public_bytes() == which.issuer
        if self._kind(one) != (which.entity, which.certificate_type):
            return False
        return one.role != DEVICE or file[one.name].system_title == which.system_title
