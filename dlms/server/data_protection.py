"""The state of Data protection objects: for whom, under which keys, and what is required.  Experimental."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from dlms.security.channel import Channel
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, AUTHENTICATED_ENCRYPTED_POLICY, Policy, Protection

if TYPE_CHECKING:
    from dlms.server.security import SecuritySetup


@dataclasses.dataclass(slots=True)
class DataProtection:
    """One Data protection object: its keys and counters are those of a security setup, the other end is `client_title`.

    `objects` are the attributes that the protection buffer holds, as {class_id, logical_name, attribute_index, data_index
    0, null-data}; `get` and `set` its protection in either direction; `required` the least that requests and answers have.
    """

    setup: SecuritySetup
    client_title: bytes
    objects: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    get: Protection = AUTHENTICATED_ENCRYPTED
    set: Protection = AUTHENTICATED_ENCRYPTED
    required: Policy = AUTHENTICATED_ENCRYPTED_POLICY

    @property
    def channel(self) -> Channel:
        """Keys, counters and titles as they are now.  Raises SecurityError for a title that is not let in."""
        return self.setup.ciphering(self.client_title).channel
