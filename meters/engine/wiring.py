"""How a meter is connected, and how it adds its phases up."""

from __future__ import annotations

from enum import Enum

from meters.engine.errors import EngineError


class Wiring(Enum):
    """Measuring elements by their phase number.  Blondel: n wires need n - 1 elements.

    In the Aron circuit (3P3W) the element of L1 measures I1 with U12 and that of L3 measures I3 with U32: their powers
    are not phase powers, only the sum means anything.
    """

    ONE_PHASE = (1,)
    """1P2W, as the Kamstrup 162."""
    ARON = (1, 3)
    """3P3W, as the 282."""
    THREE_PHASE = (1, 2, 3)
    """3P4W, as the 382."""

    @property
    def phases(self) -> tuple[int, ...]:
        """The phase number of each element."""
        phases: tuple[int, ...] = self.value
        return phases

    @property
    def elements(self) -> int:
        """How many measuring elements there are: the length of every phase axis."""
        return len(self.phases)

    def element(self, phase: int) -> int:
        """Index of the element that carries the phase.  EngineError if there is none."""
        try:
            return self.phases.index(phase)
        except ValueError:
            raise EngineError(f"a {self.name} meter has no phase {phase}, only {self.phases}") from None


class Summation(Enum):
    """How the elements make one import and one export.  Decided anew for every step, never over an interval."""

    PER_PHASE = "individually"
    """A+ = sum of max(P_k, 0), A- = sum of max(-P_k, 0): the four-wire Kamstrup meters (162M/382M)."""
    SUM_VECTOR = "vector"
    """The sum of the phases decides, as a Ferraris disc: phases net each other."""
    TOTAL_ABS = "total"
    """A+ = sum of |P_k|, A- stays zero; Q2 counts as Q1 and Q3 as Q4."""


def checked_summation(wiring: Wiring, summation: Summation | None) -> Summation:
    """The summation of a meter: PER_PHASE unless asked otherwise, but only SUM_VECTOR is right for two elements."""
    if wiring is Wiring.ARON:
        if summation not in (None, Summation.SUM_VECTOR):
            raise EngineError("the elements of an Aron meter have no phase powers: only SUM_VECTOR is right")
        return Summation.SUM_VECTOR
    return summation or Summation.PER_PHASE
