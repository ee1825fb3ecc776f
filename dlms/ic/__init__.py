"""The interface classes: declarations only.  What an object of a class does is in `dlms.server.objects`."""

from __future__ import annotations

from dlms.ic.access_control import (
    AssociationLn,
    AssociationLnV1,
    AssociationLnV2,
    AssociationLnV3,
    AssociationSn,
    AssociationSnV1,
    AssociationSnV2,
    AssociationSnV3,
    AssociationSnV4,
    SapAssignment,
)
from dlms.ic.local_port import IecHdlcSetup
from dlms.ic.measurement import Data, ExtendedRegister, ProfileGeneric, Register
from dlms.ic.security import CommunicationPortProtection, DataProtection, SecuritySetup, SecuritySetupV1
from dlms.ic.time_control import Clock

__all__ = [
    "AssociationLn",
    "AssociationLnV1",
    "AssociationLnV2",
    "AssociationLnV3",
    "AssociationSn",
    "AssociationSnV1",
    "AssociationSnV2",
    "AssociationSnV3",
    "AssociationSnV4",
    "Clock",
    "CommunicationPortProtection",
    "Data",
    "DataProtection",
    "ExtendedRegister",
    "IecHdlcSetup",
    "ProfileGeneric",
    "Register",
    "SapAssignment",
    "SecuritySetup",
    "SecuritySetupV1",
]
