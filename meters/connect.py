"""The client's way to a meter of a known model: what the model says about associations need not be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlms.client import connect as connect_client
from dlms.endpoint import parse
from dlms.limits import RESPONSE_TIMEOUT_S
from meters.models import load
from meters.view import MeterView

if TYPE_CHECKING:
    from meters.model import MeterModel


def connect(
    model: str | MeterModel,
    url: str,
    *,
    password: str | bytes | None = None,
    association: str = "optical",
    meter: int | None = None,
    timeout_s: float = RESPONSE_TIMEOUT_S,
) -> MeterView:
    """Dial a meter and open one of the associations of its model, by name, with the model's quirks.

    Without `password` the one that the model's meters are delivered with is tried.  `meter` is the number of a virtual
    meter that shares its line with others, counted from 0; without it the meter is addressed as the only one.
    Raises LookupError for an unknown model or association, and everything that `dlms.connect` raises.
    """
    found = load(model) if isinstance(model, str) else model
    granted = next((one for one in found.associations if one.name == association), None)
    if granted is None:
        names = ", ".join(one.name for one in found.associations)
        raise LookupError(f"{found.name} has no association {association!r}; it has: {names}")
    server, physical = granted.server_sap, None
    if meter is not None and parse(url).framing == "hdlc":
        physical = found.link.physical_address(meter)
    elif meter is not None:
        from meters.shared_wrapper import server_port

        server = server_port(meter, server)
    client = connect_client(
        url,
        client=granted.client_sap,
        server=server,
        physical=physical,
        password=granted.secret if password is None else password,
        quirks=found.quirks,
        timeout_s=timeout_s,
    )
    return MeterView(client, found)
