"""Hypothesis strategies for addresses, frames and parameters."""

from __future__ import annotations

from hypothesis import strategies as st

from hdlc.address import Address
from hdlc.frame import CONTROLS, Frame, Kind
from hdlc.negotiation import Parameters

SEVEN, FOURTEEN = st.integers(0, 0x7F), st.integers(0, 0x3FFF)
ADDRESSES = st.one_of(
    st.builds(Address, SEVEN),
    st.builds(Address, SEVEN, SEVEN),
    st.builds(Address, FOURTEEN, FOURTEEN, st.just(4)),
)


@st.composite
def frames(draw: st.DrawFn, max_info: int = 200) -> Frame:
    """Any frame that can be written, flags inside the information being likely."""
    octet = draw(st.integers(0, 0xFF))
    kind, ns, nr, pf = CONTROLS[octet]
    info = draw(st.binary(max_size=max_info) | st.lists(st.sampled_from([0x7E, 0xA0, 7, 3]), max_size=60).map(bytes))
    return Frame(
        kind,
        draw(ADDRESSES),
        draw(ADDRESSES),
        info,
        ns,
        nr,
        pf,
        draw(st.booleans()),
        octet if kind is Kind.UNKNOWN else None,
    )


PARAMETERS = st.builds(Parameters, st.integers(32, 2030), st.integers(32, 2030), st.integers(1, 7), st.integers(1, 7))
