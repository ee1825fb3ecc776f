"""SAP assignment: which logical devices there are.  Blue Book, class 17 version 0."""

from __future__ import annotations

from typing import Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.interface import AttributeRef
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import LongUnsigned


class SapAssignmentBehaviour(Behaviour):
    """The list follows from the device."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """Service access point and name of each logical device."""
        if ref.attribute is None or ref.attribute.name != "sap_assignment_list" or access is not None:
            return super().get(ref, access, context)
        return [(LongUnsigned(logical.sap), logical.name) for logical in context.device.logical_devices]
