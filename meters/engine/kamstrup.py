"""Wirings, limits and functions of the Kamstrup 162, 282, 382 and 382 DIN, to be replaced into: steps, logs, settings.

Brochure 162/282/382/382 DIN and 5512-1040 (162M/382M); what only one of the family documents holds for all.  Currents are
those of the 5(85) A variant: a 3 x 105 A meter needs pulse outputs with a divisor, and has no breaker.
"""

from __future__ import annotations

from dataclasses import replace

from meters.engine.config import Config, Feature
from meters.engine.control import ControlSettings
from meters.engine.pulses import PulseOutput
from meters.engine.quantity import Measurand, display_rollover
from meters.engine.wiring import Summation, Wiring

WHOLE_DIGITS = 7
"""Of kWh, as the display "7.0" shows them; "6.1" has one less."""
WH_ROLLOVER, TEN_WH_ROLLOVER = display_rollover(WHOLE_DIGITS), display_rollover(WHOLE_DIGITS, 1)
VERIFICATION_ROLLOVER = display_rollover(3)
"""In Wh, of the display "3.4" of the verification registers."""
OUTPUTS = {
    "led": PulseOutput(),
    "led-reactive": PulseOutput(Measurand.REACTIVE_IMPORT),
    "s0": PulseOutput(),
}
"""1000 pulses a kWh (kvarh) of 30 ms."""

K382 = Config(
    wiring=Wiring.THREE_PHASE,
    summation=Summation.PER_PHASE,
    control=ControlSettings(),
    outputs=OUTPUTS,
)
"""Three phases, four wires: each phase imports or exports on its own."""
K382_DIN = replace(K382, control=None, features=frozenset[Feature]())
"""The same without breaker, tamper detection and prepayment."""
K282 = replace(K382, wiring=Wiring.ARON, summation=Summation.SUM_VECTOR)
"""Three phases, three wires, two elements: the sum decides about import, export and no load."""
K162 = replace(K382, wiring=Wiring.ONE_PHASE)
"""One phase, two wires."""
