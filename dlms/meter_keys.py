"""The key pairs and certificates of a meter, managed over an open association.  Blue Book, Security setup version 1."""

from __future__ import annotations

from collections.abc import Callable

from dlms.client import Client
from dlms.errors import RemoteProtocolError
from dlms.ic import SecuritySetupV1
from dlms.operations.objects import DEFAULT_SETUP
from dlms.security.certificates import Purpose, read
from dlms.security.identification import ByEntity, BySerial, CertificateInfo
from dlms.security.signing_request import Request, read_request
from dlms.security.subject import CertificateError


class MeterKeys:
    """What one Security setup object of a meter holds; `client` is an association that may change it.

    Methods raise AccessError when the meter refuses, OutcomeUnknown when its answer to a change is lost, and
    RemoteProtocolError or SecurityError for an answer that is not what it should be.
    """

    def __init__(self, client: Client, setup: SecuritySetupV1 = DEFAULT_SETUP) -> None:
        self.client, self.setup = client, setup

    def certificates(self) -> list[CertificateInfo]:
        """Every certificate that the meter holds."""
        listed = self.client.get(self.setup.certificates)
        if not isinstance(listed, list):
            raise RemoteProtocolError(f"{self.setup.certificates}: {listed!r:.80} is no list of certificates")
        return [CertificateInfo.parse(one) for one in listed]

    def generate(self, purpose: Purpose) -> None:
        """The meter makes a key pair, which waits for its certificate; until that comes the old one serves."""
        self.client.call(self.setup.generate_key_pair, purpose.value)

    def request(self, purpose: Purpose) -> Request:
        """The meter's signing request, once it is seen to be signed by its key and to name this meter."""
        der = self.client.call(self.setup.generate_certificate_request, purpose.value)
        asked = read_request(_octets(der, self.setup.generate_certificate_request))
        title = self.system_title()
        if asked.system_title != title:
            raise CertificateError(f"the request is one of {asked.system_title.hex()}; this meter is {title.hex()}")
        return asked

    def system_title(self) -> bytes:
        """The meter's: that of the association where it is ciphered, else what the setup says."""
        channel = self.client.connection.channel
        if channel is not None:
            return channel.peer_title
        return _octets(self.client.get(self.setup.server_system_title), self.setup.server_system_title)

    def import_certificate(self, der: bytes) -> None:
        """Gives the meter a certificate: its own, ours, or that of an authority below its anchors."""
        self.client.call(self.setup.import_certificate, der)

    def export(self, which: ByEntity | BySerial) -> bytes:
        """One certificate, DER, and the one that was meant where a serial number says which."""
        der = _octets(self.client.call(self.setup.export_certificate, which.value()), self.setup.export_certificate)
        found = read(der)
        if isinstance(which, BySerial) and found.serial_number != which.serial:
            raise RemoteProtocolError(f"certificate {found.serial_number:x} was given, {which.serial:x} wanted")
        return der

    def remove(self, which: ByEntity | BySerial) -> None:
        """The meter forgets a certificate."""
        self.client.call(self.setup.remove_certificate, which.value())

    def enrol(self, purpose: Purpose, issue: Callable[[bytes], bytes]) -> bytes:
        """A new key pair of the meter, certified and in force: the certificate, read back from it.

        `issue` makes a certificate of a signing request, both DER, as an authority does.  Nothing is lost when it is cut
        short: the key pair in force serves until the certificate of the new one has come.  Begin again then.
        """
        self.generate(purpose)
        der = issue(self.request(purpose).der)
        self.import_certificate(der)
        given = read(der)
        held = self.export(BySerial(given.serial_number, given.issuer.public_bytes()))
        if held != der:
            raise RemoteProtocolError("the meter gave back another certificate than it was given")
        return der


def _octets(value: object, ref: object) -> bytes:
    if not isinstance(value, bytes):
        raise RemoteProtocolError(f"{ref} gave {value!r:.80}, octets wanted")
    return value
