"""A device: its logical devices, the associations that it grants, and its values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dlms.association import Negotiated
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import LocalProtocolError, SecurityError
from dlms.limits import INACTIVITY_TIMEOUT_S
from dlms.quirks import Quirk
from dlms.server.base_names import BaseNames
from dlms.server.rights import Served
from dlms.server.store import Store
from obis import Obis

if TYPE_CHECKING:
    from dlms.security.hls import VendorFunction
    from dlms.server.data_protection import DataProtection
    from dlms.server.port_protection import PortProtection
    from dlms.server.security import SecuritySetup

Objects = Mapping[tuple[int, Obis], Served]
"""(class_id, logical name) -> the object as one association sees it."""


@dataclasses.dataclass(frozen=True, slots=True)
class LogicalDevice:
    """One logical device: its service access point and its name (COSEM logical device name, up to 16 octets)."""

    sap: int
    name: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class ServerAssociation:
    """One association that the device grants: who, how authenticated, what it may do and what it sees.

    Sizes are octets; `max_receive` is what this device receives in one APDU.  With `users`, by number and name, only they
    are let in, and must say who they are.  One that is `pre_established` is there without being asked for, with what it
    says.  A ciphered context, and the mechanisms that prove keys, use the state that the device has for the object
    `security_setup`; a pre-established one needs the `client_title` too, since nobody tells it.  `broadcast` are the objects
    that unconfirmed requests under the broadcast key reach, with the rights that such requests have: none where it is None,
    as every meter knows that key.  `vendor` is what stands behind mechanism 2, None for the common AES scheme.
    """

    client_sap: int
    server_sap: int
    objects: Objects
    conformance: Conformance
    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = dataclasses.field(default=b"", repr=False)
    max_receive: int = 0xFFFF
    context: ApplicationContext = ApplicationContext.LN
    users: Mapping[int, str] | None = None
    pre_established: Negotiated | None = None
    security_setup: Obis | None = None
    client_title: bytes | None = None
    broadcast: Objects | None = None
    vendor: VendorFunction | None = dataclasses.field(default=None, repr=False)


class Device:
    """What sessions serve.  One instance for one meter; tables (`objects`) may be shared by many.

    `security` is the state of its Security setup objects, `ports` that of its Communication port protection objects.
    `keep` is called with an association that a client has changed (its secret, its users, the objects that it sees) before
    the change holds: when it raises LocalProtocolError, nothing has changed.  Raises LocalProtocolError when the objects of
    an association with short names have no room, or when one lacks what its authentication or ciphering needs.
    """

    def __init__(
        self,
        store: Store,
        logical_devices: tuple[LogicalDevice, ...],
        associations: tuple[ServerAssociation, ...],
        *,
        quirks: frozenset[Quirk] = frozenset(),
        inactivity_timeout_s: float = INACTIVITY_TIMEOUT_S,
        security: Mapping[Obis, SecuritySetup] | None = None,
        system_title: bytes | None = None,
        keep: Callable[[ServerAssociation], object] = lambda granted: None,
        ports: Mapping[Obis, PortProtection] | None = None,
        protections: Mapping[Obis, DataProtection] | None = None,
    ) -> None:
        self.store, self.logical_devices, self.quirks = store, logical_devices, quirks
        self.inactivity_timeout_s = inactivity_timeout_s
        self.associations = {(granted.client_sap, granted.server_sap): granted for granted in associations}
        """The associations as they are now: a client may change its own."""
        self._keep = keep
        self.ports = dict(ports or {})
        """The state of each Communication port protection object."""
        self.protections = dict(protections or {})
        """The state of each Data protection object."""
        self.now = 0.0
        """The time of what is served."""
        self.security = dict(security or {})
        """The state of each Security setup object."""
        titles = {setup.system_title for setup in self.security.values()} | ({system_title} - {None})
        if len(titles) > 1:
            raise LocalProtocolError("a device has one system title")
        self.system_title = next(iter(titles), None)
        for granted in associations:
            self._check_security(granted)
        self._base_names = {
            key: BaseNames(granted.objects) for key, granted in self.associations.items() if granted.context.short_names
        }

    def change(self, granted: ServerAssociation, **changes: Any) -> ServerAssociation:
        """An association, changed and kept.  Raises LocalProtocolError when it cannot be kept, and does not change then."""
        key = granted.client_sap, granted.server_sap
        changed = dataclasses.replace(self.associations[key], **changes)
        self._keep(changed)
        self.associations[key] = changed
        self._base_names.pop(key, None)
        return changed

    def port(self, name: Obis | None) -> PortProtection | None:
        """What protects the port with this name, None where nothing does."""
        return next((one for one in self.ports.values() if one.port_reference == name), None)

    def setup(self, granted: ServerAssociation) -> SecuritySetup | None:
        """The security setup that an association uses, None when it has none."""
        return None if granted.security_setup is None else self.security[granted.security_setup]

    def _check_security(self, granted: ServerAssociation) -> None:
        if granted.security_setup is not None and granted.security_setup not in self.security:
            raise LocalProtocolError(f"there is no security setup {granted.security_setup}")
        if (granted.context.ciphered or granted.mechanism.with_keys) and granted.security_setup is None:
            raise LocalProtocolError(f"the association of client {granted.client_sap} needs a security setup")
        if granted.context.ciphered and granted.pre_established is not None and granted.client_title is None:
            raise LocalProtocolError(f"the pre-established association of client {granted.client_sap} needs its title")
        if granted.client_title is not None and granted.security_setup is not None:
            try:
                self.security[granted.security_setup].ciphering(granted.client_title)
            except SecurityError as fault:
                raise LocalProtocolError(str(fault)) from fault
        if granted.broadcast is not None and not granted.context.ciphered:
            raise LocalProtocolError(f"the association of client {granted.client_sap} has no ciphering for broadcasts")
        if granted.mechanism is Mechanism.HLS_SHA256 and self.system_title is None:
            raise LocalProtocolError("HLS SHA-256 needs a system title")

    def base_names(self, granted: ServerAssociation) -> BaseNames:
        """The short names of the objects that an association sees.  Raises LocalProtocolError when they have no room."""
        key = granted.client_sap, granted.server_sap
        if key not in self._base_names:
            self._base_names[key] = BaseNames(granted.objects)
        return self._base_names[key]

    def next_timeout(self) -> float | None:
        """When the device wants to do something by itself."""
        return self.store.next_timeout()

    def handle_timeout(self, now: float) -> None:
        """Bring the device's values up to `now`."""
        self.now = now
        self.store.advance(now)
