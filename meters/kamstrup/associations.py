"""Who may talk to a Kamstrup 162M/382M: service access points, passwords, conformance, and what each sees.

55121424_D1.  The conformance blocks are those of its two published exchanges with a K351C.  They do not grant ACTION,
although the text lists it for the three LLS associations of the 162M/382M: a billing stop is then made by writing
1.1.0.1.5.128, which does the same as the capture method of the billing logger.
"""

from __future__ import annotations

from dlms.enums import Conformance
from meters.model import AssociationModel, Writes
from obis import Obis

MANAGEMENT, METER = 1, 16
"""Service access points of the two logical devices."""
PUBLIC, PRIMARY_MODULE, OPTICAL, CCC = 16, 18, 19, 20
"""Service access points of clients; CCC is the second module port."""
PASSWORD = b"12345"

PUBLIC_CONFORMANCE = Conformance.GET | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
LLS_CONFORMANCE = PUBLIC_CONFORMANCE | Conformance.SET | Conformance.SELECTIVE_ACCESS

PUBLIC_OBJECTS = frozenset(
    map(
        Obis,
        (
            "0.0.22.0.0.255",
            "0.0.40.0.0.255",
            "0.0.41.0.0.255",
            "0.1.1.0.0.255",
            "1.1.0.0.0.255",
            "1.1.0.0.1.255",
            "1.1.0.0.2.255",
            "1.1.0.0.3.255",
            "1.1.0.2.0.255",
            "1.1.0.2.2.128",
            "1.1.0.130.1.255",
            "1.1.0.130.2.255",
            "1.1.96.1.0.255",
            "1.1.96.1.1.255",
        ),
    )
)

ASSOCIATIONS = (
    AssociationModel("public", PUBLIC, MANAGEMENT, PUBLIC_CONFORMANCE, Writes.NOTHING, sees=PUBLIC_OBJECTS),
    AssociationModel("primary module port", PRIMARY_MODULE, METER, LLS_CONFORMANCE, Writes.ALL, PASSWORD),
    AssociationModel("optical", OPTICAL, METER, LLS_CONFORMANCE, Writes.PLAIN, PASSWORD),
    AssociationModel("CCC", CCC, METER, LLS_CONFORMANCE, Writes.PLAIN, PASSWORD),
)
