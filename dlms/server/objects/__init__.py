"""What objects do: the behaviour of interface classes, registered by (class_id, version).

A behaviour answers for attributes and methods that are more than a value in the store; the rest goes to the store.
"""

from __future__ import annotations

from dlms.security.policy import LEVELS
from dlms.server.objects.association_ln import AssociationLnBehaviour
from dlms.server.objects.association_sn import AssociationSnBehaviour
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.server.objects.data_protection import DataProtectionBehaviour
from dlms.server.objects.invocation_counter import DataBehaviour
from dlms.server.objects.port_protection import PortProtectionBehaviour
from dlms.server.objects.profile_generic import ProfileGenericBehaviour
from dlms.server.objects.sap_assignment import SapAssignmentBehaviour
from dlms.server.objects.security_setup import SecuritySetupBehaviour

PLAIN = Behaviour()

BEHAVIOURS: dict[tuple[int, int], Behaviour] = {
    (1, 0): DataBehaviour(),
    (7, 1): ProfileGenericBehaviour(),
    **{(12, version): AssociationSnBehaviour(version) for version in range(5)},
    **{(15, version): AssociationLnBehaviour(version) for version in range(4)},
    (17, 0): SapAssignmentBehaviour(),
    (30, 0): DataProtectionBehaviour(),
    (124, 0): PortProtectionBehaviour(),
    (64, 0): SecuritySetupBehaviour(LEVELS),
    (64, 1): SecuritySetupBehaviour(None),
}


def behaviour(class_id: int, version: int) -> Behaviour:
    """The behaviour of a class; plain values where none is registered."""
    return BEHAVIOURS.get((class_id, version), PLAIN)


__all__ = ["BEHAVIOURS", "Behaviour", "Context", "behaviour"]
