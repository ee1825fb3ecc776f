"""Endpoints: a URL -> framing and medium.  The URL says the medium only; addresses and secrets are keywords.

| URL | framing, medium |
|---|---|
| `tcp://host:4059` | wrapper over TCP |
| `hdlc://host:port` | HDLC over TCP |
| `serial:///dev/ttyUSB0?baud=9600&echo=auto` | HDLC on a serial port, opened directly |
| `memory://name` | wrapper over a line in memory |

The same URL dials or listens (serial ports serve).  Modules are imported when a URL needs them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dlms.errors import LocalProtocolError
from dlms.framing import Framing, ServerFraming
from dlms.media import Medium

SCHEMES = {"tcp": "wrapper", "hdlc": "hdlc", "serial": "hdlc", "memory": "wrapper"}
"""Scheme -> framing."""
PLANNED = ("udp", "tls", "hdlc+udp", "optical")
_SERIAL_OPTIONS = {"baud", "echo", "dtr", "rts"}


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL, taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    options: dict[str, str]

    @property
    def framing(self) -> str:
        """`wrapper` or `hdlc`."""
        return SCHEMES[self.scheme]


def parse(url: str) -> Endpoint:
    """Take a URL apart.  Raises LocalProtocolError that says what is wrong with it."""
    if not url.isprintable():
        raise LocalProtocolError("control characters do not belong into a URL")
    try:
        parts = urlsplit(url)
    except ValueError as fault:
        raise LocalProtocolError(f"{url!r} is no endpoint: {fault}") from fault
    if parts.username is not None or parts.password is not None:
        raise LocalProtocolError("secrets do not belong into a URL")
    if parts.scheme in PLANNED:
        raise LocalProtocolError(f"{parts.scheme}:// is not there yet; there are {', '.join(SCHEMES)}")
    if parts.scheme not in SCHEMES:
        raise LocalProtocolError(f"{url!r} is no endpoint: {', '.join(f'{name}://' for name in SCHEMES)} are")
    try:
        port = parts.port
    except ValueError as fault:
        raise LocalProtocolError(f"{url!r}: {fault}") from fault
    options = dict(parse_qsl(parts.query))
    found = Endpoint(parts.scheme, parts.hostname or "", port or 0, unquote(parts.path), options)
    _check(found, url, port is None)
    return found


def _check(found: Endpoint, url: str, no_port: bool) -> None:
    allowed = _SERIAL_OPTIONS if found.scheme == "serial" else set()
    if unknown := found.options.keys() - allowed:
        raise LocalProtocolError(f"{url!r}: unknown option {', '.join(sorted(unknown))}")
    if found.scheme in ("tcp", "hdlc") and (not found.host or no_port):
        raise LocalProtocolError(f"{url!r}: {found.scheme}://host:port is wanted")
    if found.scheme == "serial":
        if not (found.path.strip("/") or found.host):
            raise LocalProtocolError(f"{url!r}: serial:///dev/ttyUSB0 or serial://COM3 is wanted")
        _serial_options(found, url)
    if found.scheme == "memory" and not found.host:
        raise LocalProtocolError(f"{url!r}: memory://name is wanted")


def _serial_options(found: Endpoint, url: str) -> dict[str, Any]:
    text = {"baud": "9600", "echo": "auto", "dtr": "1", "rts": "0"} | found.options
    if not text["baud"].isdigit() or not int(text["baud"]):
        raise LocalProtocolError(f"{url!r}: baud={text['baud']} is no rate")
    for name, values in (("echo", ("auto", "off")), ("dtr", ("0", "1")), ("rts", ("0", "1"))):
        if text[name] not in values:
            raise LocalProtocolError(f"{url!r}: {name}={text[name]}, {' or '.join(values)} is wanted")
    return {"baud": int(text["baud"]), "echo": text["echo"], "dtr": text["dtr"] == "1", "rts": text["rts"] == "1"}


def _serial(found: Endpoint, url: str) -> Medium:
    from dlms.media.serial import SerialMedium

    return SerialMedium(found.path if found.path.strip("/") else found.host.upper(), **_serial_options(found, url))


def dial(url: str) -> Medium:
    """Open the medium of a URL.  Raises LinkError when it cannot be opened."""
    found = parse(url)
    if found.scheme == "serial":
        return _serial(found, url)
    if found.scheme == "memory":
        from dlms.media.memory import dial as dial_memory

        return dial_memory(found.host)
    from dlms.media.tcp import TcpMedium

    return TcpMedium.connect(found.host, found.port)


class Listening:
    """A listener: `url` is where it listens, `close` ends it."""

    def __init__(self, url: str, close: Callable[[], None]) -> None:
        self.url, self.close = url, close


def listen(url: str, serve: Callable[[Medium], None]) -> Listening:
    """Serve a URL: `serve` is called on a thread of its own for each connection, once for a serial port.

    Raises LinkError when the address cannot be had.
    """
    found = parse(url)
    if found.scheme == "serial":
        return _listen_serial(found, url, serve)
    if found.scheme == "memory":
        from dlms.media.memory import MemoryListener

        named = MemoryListener(found.host, serve)
        return Listening(url, named.close)
    from dlms.media.tcp import TcpListener

    listener = TcpListener(found.host, found.port, serve)
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return Listening(f"{found.scheme}://{host}:{listener.port}", listener.close)


def _listen_serial(found: Endpoint, url: str, serve: Callable[[Medium], None]) -> Listening:
    from dlms.media.serial_server import SerialServer

    return Listening(url, SerialServer(_serial(found, url), serve).close)


def client_framing(url: str, client_sap: int, server_sap: int, **options: Any) -> Framing:
    """The client's framing for a URL; `options` are those of `dlms.framing.hdlc.HdlcClient` where it is HDLC."""
    if parse(url).framing == "hdlc":
        from dlms.framing.hdlc import HdlcClient

        return HdlcClient(client_sap, server_sap, **options)
    from dlms.framing.wrapper import WrapperClient

    return WrapperClient(client_sap, server_sap)


def server_framing(url: str, **options: Any) -> ServerFraming:
    """The server's framing for a URL; `options` are those of `dlms.framing.hdlc.HdlcServer` where it is HDLC."""
    if parse(url).framing == "hdlc":
        from dlms.framing.hdlc import HdlcServer

        return HdlcServer(**options)
    from dlms.framing.wrapper import WrapperServer

    return WrapperServer()
