"""The state of Communication port protection objects: failed authentications lock a port, for longer each time.

Blue Book, class 124 version 0, of which attributes and types are established.  How long a lockout lasts is our reading: the
first one beyond the allowed attempts takes the initial time, each further one the steepness factor times as long, up to the
maximum.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable

from dlms.errors import LocalProtocolError
from obis import Obis

MOST = 0xFFFF_FFFF
"""Where counters of failed attempts stay."""


class ProtectionMode(enum.IntEnum):
    """What the port does."""

    LOCKED = 0
    """Nobody is let in."""
    LOCKED_ON_FAILED_ATTEMPTS = 1
    UNLOCKED = 2
    """Failed attempts are counted and lock nothing."""


class ProtectionStatus(enum.IntEnum):
    """Whether the port lets anybody in."""

    UNLOCKED = 0
    TEMPORARILY_LOCKED = 1
    LOCKED = 2


@dataclasses.dataclass(slots=True)
class PortProtection:
    """One port of one meter, named by the logical name of its setup object: the `port` of the sessions on it.

    Times are seconds.  While it is locked, no association is opened through it and nothing is judged; those that are open go
    on.  Who authenticates takes back the failures of its own client, and of no other: so a password that is known does not
    help to guess another.  `changed` is called after every change, before the client hears of it, so that a meter that is
    switched off and on counts on; one that was locked then is locked anew.  Raises LocalProtocolError for a factor of 0.
    """

    port_reference: Obis
    mode: ProtectionMode = ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS
    allowed_failed_attempts: int = 3
    initial_lockout_s: int = 60
    steepness_factor: int = 2
    max_lockout_s: int = 3600
    failures: dict[int, int] = dataclasses.field(default_factory=dict)
    """Failed attempts by client service access point."""
    cumulative_failed_attempts: int = 0
    changed: Callable[[PortProtection], object] = lambda one: None
    _locked_until: float | None = None

    def __post_init__(self) -> None:
        if self.steepness_factor < 1:
            raise LocalProtocolError("a steepness factor is 1 or more")

    @property
    def failed_attempts(self) -> int:
        """Those that count towards the next lockout."""
        return min(sum(self.failures.values()), MOST)

    @property
    def lockout_s(self) -> int:
        """How long the failed attempts so far lock the port; 0 while they are allowed."""
        beyond = self.failed_attempts - self.allowed_failed_attempts
        if beyond <= 0:
            return 0
        lockout_s = self.initial_lockout_s
        for _ in range(beyond - 1):
            if lockout_s >= self.max_lockout_s or self.steepness_factor == 1 or not lockout_s:
                break
            lockout_s *= self.steepness_factor
        return min(lockout_s, self.max_lockout_s)

    def status(self, now: float) -> ProtectionStatus:
        """Whether the port lets anybody in at `now`."""
        if self.mode is ProtectionMode.LOCKED:
            return ProtectionStatus.LOCKED
        if self.mode is ProtectionMode.UNLOCKED or not self.lockout_s:
            return ProtectionStatus.UNLOCKED
        if self._locked_until is None:  # as the failures were found, nobody knows for how long it has been locked
            self._locked_until = now + self.lockout_s
        return ProtectionStatus.TEMPORARILY_LOCKED if now < self._locked_until else ProtectionStatus.UNLOCKED

    def failed(self, client_sap: int, now: float) -> None:
        """An authentication has failed."""
        self.failures[client_sap] = self.failures.get(client_sap, 0) + 1
        self.cumulative_failed_attempts = min(self.cumulative_failed_attempts + 1, MOST)
        self._locked_until = now + self.lockout_s
        self.changed(self)

    def succeeded(self, client_sap: int) -> None:
        """A client has proved itself."""
        if self.failures.pop(client_sap, 0):
            self.changed(self)

    def change(self, field: str, value: int) -> None:
        """Change how the port is protected.  Raises LocalProtocolError for what cannot be, or cannot be kept."""
        before = getattr(self, field)
        setattr(self, field, value)
        try:
            self.__post_init__()
            self.changed(self)
        except LocalProtocolError:
            setattr(self, field, before)
            raise

    def reset(self) -> None:
        """Forget the failed attempts, but for how many there have ever been."""
        self.failures.clear()
        self._locked_until = None
        self.changed(self)
