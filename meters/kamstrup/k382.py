"""The Kamstrup 382M: three phases, four wires, direct connection, breaker.

The object list is that of the M generation (55121424_D1, column K162M/K382M); that the 382 of other generations has the
same one is inferred.
"""

from __future__ import annotations

from dlms.ic import AssociationLn, IecHdlcSetup, SapAssignment
from dlms.quirks import Quirk
from dlms.types import Enum, LongUnsigned, Unsigned
from meters.clock import clock
from meters.engine.kamstrup import K382
from meters.kamstrup import breaker
from meters.kamstrup.associations import ASSOCIATIONS, MANAGEMENT, METER
from meters.kamstrup.identity import logical_device_name
from meters.kamstrup.loggers import DATA_LOGS, EVENT_LOGS, LOGGER_ONLY
from meters.kamstrup.registers import REGISTERS
from meters.model import LinkParameters, MeterModel
from meters.objects import Complex
from meters.sources import Attribute, Constant, Derived, Meter, Nameplate

NORMAL_OFFSET_S = 3600
LINK = LinkParameters(
    max_info_transmit=512,
    max_info_receive=128,
    inactivity_timeout_s=20,
    physical=32,
    always_two_octets=True,
)


def physical_address(meter: Meter) -> int:
    """Meters that share a line have addresses that count up from the documented one."""
    return LINK.physical_address(meter.index)


COMMUNICATION = (
    clock("0.1.1.0.0.255", "2 RW; 4-7 R; 8 RW; 9 R", NORMAL_OFFSET_S),
    Complex("0.0.40.0.0.255", AssociationLn, "2-6 R; 7 W; 8 R", "association", {}),
    Complex("0.0.41.0.0.255", SapAssignment, "2 R", "logical_devices", {}),
    # what is written here is read back; the link goes on with the parameters of the model
    Complex(
        "0.0.22.0.0.255",
        IecHdlcSetup,
        "2 R; 3-9 RW",
        "hdlc",
        {
            2: Attribute(Enum, Constant(5)),
            3: Attribute(Unsigned, Constant(LINK.window_transmit), accepts=range(1, 8)),
            4: Attribute(Unsigned, Constant(LINK.window_receive), accepts=range(1, 8)),
            5: Attribute(LongUnsigned, Constant(LINK.max_info_transmit), accepts=range(32, 2031)),
            6: Attribute(LongUnsigned, Constant(LINK.max_info_receive), accepts=range(32, 2031)),
            7: Attribute(LongUnsigned, Constant(500), accepts=range(20, 6001)),
            8: Attribute(LongUnsigned, Constant(int(LINK.inactivity_timeout_s))),
            9: Attribute(LongUnsigned, Derived(physical_address, initial=True), accepts=range(0x4000)),
        },
    ),
)

MODEL = MeterModel(
    name="kamstrup-382",
    maker="KAM",
    title="Kamstrup 382M, three-phase four-wire, direct connection",
    metrology=K382,
    objects=(*COMMUNICATION, *REGISTERS),
    logs=(*DATA_LOGS, *EVENT_LOGS),
    logger_only=LOGGER_ONLY,
    associations=ASSOCIATIONS,
    nameplate=Nameplate(12345678, 12345678, "6841138BN143002084", "5098736", "Q1"),
    ldn=logical_device_name,
    saps=(MANAGEMENT, METER),
    link=LINK,
    quirks=frozenset(
        (
            Quirk.NO_RELEASE,
            Quirk.NO_SERVICE_CLASS,
            Quirk.LONG_BLOCK_LENGTH,
            Quirk.WHOLE_ROW_BLOCKS,
            Quirk.ENTRIES_FROM_NEWEST,
        )
    ),
    max_receive=125,
    normal_offset_s=NORMAL_OFFSET_S,
    control=breaker.control,
    commands={
        "disconnect": ("breaker.state", breaker.Order.DISCONNECT),
        "release": ("breaker.state", breaker.Order.RELEASE),
        "reconnect": ("breaker.state", breaker.Order.RECONNECT),
        "billing_stop": ("billing.stop", 1),
    },
)
