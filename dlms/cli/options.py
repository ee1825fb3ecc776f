"""The options that every command with a meter at the other end has, declared once."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from dlms.limits import RESPONSE_TIMEOUT_S, RETRIES
from dlms.security.policy import Envelope, Protection

if TYPE_CHECKING:
    from dlms.cli.protected import Protected
    from dlms.client import Client
    from dlms.framing.gateway import Gateway

PASSWORD_VARIABLE = "DLMS_PASSWORD"


class Authentication(enum.StrEnum):
    """What `--auth` takes."""

    NONE = "none"
    LLS = "lls"
    HLS = "hls"
    HLS_MD5 = "hls-md5"
    HLS_SHA1 = "hls-sha1"
    HLS_GMAC = "hls-gmac"
    HLS_SHA256 = "hls-sha256"
    HLS_ECDSA = "hls-ecdsa"


class Protecting(enum.StrEnum):
    """What `--protect` takes."""

    NOTHING = "nothing"
    AUTHENTICATED = "authenticated"
    ENCRYPTED = "encrypted"
    BOTH = "both"
    SIGNED = "signed"
    ALL = "all"


PROTECTION = {
    Protecting.NOTHING: Protection.NONE,
    Protecting.AUTHENTICATED: Protection.AUTHENTICATED,
    Protecting.ENCRYPTED: Protection.ENCRYPTED,
    Protecting.BOTH: Protection.AUTHENTICATED | Protection.ENCRYPTED,
    Protecting.SIGNED: Protection.SIGNED,
    Protecting.ALL: Protection.AUTHENTICATED | Protection.ENCRYPTED | Protection.SIGNED,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """How to reach a meter: the common options of one command."""

    client: Annotated[int, typer.Option(min=1, max=0x7F, help="Client service access point.")] = 16
    server: Annotated[int, typer.Option(min=1, max=0x3FFF, help="Logical device.")] = 1
    physical: Annotated[int | None, typer.Option(min=0, max=0x3FFF, help="Physical device address (HDLC).")] = None
    gateway: Annotated[
        str | None, typer.Option(metavar="NETWORK:ADDRESS", help="Meter behind a gateway; the address in hex.")
    ] = None
    sn: Annotated[bool, typer.Option("--sn", help="Short names instead of logical names.")] = False
    auth: Annotated[
        Authentication | None, typer.Option(help="Default: hls-gmac with keys, lls with a password, else none.")
    ] = None
    keys: Annotated[Path | None, typer.Option(help="Key file (`dlms keys`): for ciphering and HLS.")] = None
    device: Annotated[str | None, typer.Option(help="Device of the key file; default: the only one.")] = None
    counters: Annotated[Path | None, typer.Option(help="Store of invocation counters (`dlms keys counters`).")] = None
    protect: Annotated[Protecting, typer.Option(help="What protects APDUs when there are keys.")] = Protecting.BOTH
    envelope: Annotated[Envelope, typer.Option(help="How protected APDUs travel, under which key.")] = Envelope.SERVICE
    dedicated: Annotated[bool, typer.Option("--dedicated", help="A key for this association alone.")] = False
    counter_jump: Annotated[
        int,
        typer.Option(min=0, max=0xFFFFFFFF, help="Ask the meter for its counter, and go forward by at most so many."),
    ] = 0
    system_title: Annotated[
        str | None, typer.Option(metavar="HEX", help="Ours, for hls-sha256 without a key file.")
    ] = None
    password_file: Annotated[
        Path | None, typer.Option(help=f"File with the password (or set {PASSWORD_VARIABLE}).")
    ] = None
    password: Annotated[str | None, typer.Option(help="Other users of this machine can see it: better a file.")] = None
    timeout: Annotated[float, typer.Option(min=0.01, help="Seconds for one exchange, repetitions included.")] = (
        RESPONSE_TIMEOUT_S
    )
    retries: Annotated[int, typer.Option(min=0, max=100, help="Repetitions of one HDLC frame.")] = RETRIES
    deadline: Annotated[float | None, typer.Option(min=0.01, help="Seconds for the whole command.")] = None
    trace: Annotated[bool, typer.Option("--trace", help="Every frame and APDU on stderr, secrets masked.")] = False

    def connect(self, endpoint: str) -> Client:
        """Dial and open the association.  Raises DlmsError, BadParameter for an endpoint that is none."""
        return self.connect_with(endpoint, self._protected())

    def protected(self) -> Protected:
        """What the key file holds.  Raises BadParameter without one."""
        held = self._protected()
        if held is None:
            raise typer.BadParameter("say --keys FILE")
        return held

    def connect_with(self, endpoint: str, held: Protected | None) -> Client:
        """The same with these keys.  Raises DlmsError, BadParameter."""
        from dlms.client import connect
        from dlms.endpoint import parse
        from dlms.enums import ApplicationContext, Mechanism
        from dlms.errors import LocalProtocolError
        from dlms.trace import NO_TRACE, Trace

        try:
            parse(endpoint)
        except LocalProtocolError as fault:
            raise typer.BadParameter(str(fault)) from fault
        behind, title = self._behind(), self._title()
        secret = held.secret if held is not None and held.secret else self._secret()
        trace = Trace(functools.partial(typer.echo, err=True), (secret,)) if self.trace else NO_TRACE
        mechanism = None if self.auth is None else Mechanism[self.auth.name]
        return connect(
            endpoint,
            client=self.client,
            server=self.server,
            physical=self.physical,
            auth=mechanism,
            password=secret,
            timeout_s=self.timeout,
            deadline_s=self.deadline,
            retries=self.retries,
            trace=trace,
            context=ApplicationContext.SN if self.sn else ApplicationContext.LN,
            gateway=behind,
            security=None if held is None else held.security,
            system_title=title,
            max_counter_jump=self.counter_jump,
        )

    def _protected(self) -> Protected | None:
        """What the key file holds.  Raises BadParameter for options that need one and have none."""
        if self.keys is None:
            if self.device is not None or self.counters is not None or self.dedicated or self.counter_jump:
                raise typer.BadParameter("--device, --counters, --dedicated and --counter-jump go with --keys")
            if self.auth in (Authentication.HLS_GMAC, Authentication.HLS_ECDSA):
                raise typer.BadParameter(f"{self.auth} needs --keys")
            return None
        from dlms.cli.protected import protected

        return protected(
            self.keys,
            self.device,
            self.counters,
            PROTECTION[self.protect],
            self.envelope,
            self.dedicated,
            self.protect is Protecting.ENCRYPTED,
        )

    def _title(self) -> bytes | None:
        if self.system_title is None:
            return None
        try:
            return bytes.fromhex(self.system_title)
        except ValueError as fault:
            raise typer.BadParameter(f"--system-title: {fault}") from fault

    def _behind(self) -> Gateway | None:
        """The meter behind a gateway.  Raises BadParameter."""
        from dlms.errors import LocalProtocolError
        from dlms.framing.gateway import Gateway

        if self.gateway is None:
            return None
        network, _, address = self.gateway.partition(":")
        try:
            return Gateway(int(network), bytes.fromhex(address))
        except (ValueError, LocalProtocolError) as fault:
            raise typer.BadParameter(f"{self.gateway!r} is not NETWORK:ADDRESS: {fault}") from fault

    def _secret(self) -> bytes:
        """From the file, the environment, the command line (with a warning), or a prompt when one is needed."""
        if self.auth in (Authentication.NONE, Authentication.HLS_GMAC, Authentication.HLS_ECDSA):
            return b""
        if self.password_file is not None:
            try:
                return self.password_file.read_bytes().rstrip(b"\r\n")
            except OSError as fault:
                raise typer.BadParameter(f"{self.password_file}: {fault.strerror}") from fault
        if self.password is not None:
            typer.echo("dlms: warning: a password on the command line can be seen by others", err=True)
            return self.password.encode("latin-1")
        if PASSWORD_VARIABLE in os.environ:
            return os.environ[PASSWORD_VARIABLE].encode("latin-1")
        if self.auth is not None:
            if not sys.stdin.isatty():
                raise typer.BadParameter(f"{self.auth} needs a password: --password-file or {PASSWORD_VARIABLE}")
            return str(typer.prompt("Password", hide_input=True, err=True)).encode("latin-1")
        return b""


def with_access(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options; it receives them as its first argument, an Access."""
    return with_options(Access)(command)


def with_options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give commands the options that the fields of a dataclass declare; they receive one of it as first argument."""
    shared = get_type_hints(kind, include_extras=True)
    fields = dataclasses.fields(kind)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)
        hints = get_type_hints(command, include_extras=True)
        parameters = [p.replace(annotation=hints[p.name]) for p in list(own.parameters.values())[1:]]
        for field in fields:
            parameters.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=shared[field.name]
                )
            )

        @functools.wraps(command)
        def run(*args: Any, **values: Any) -> None:
            given = kind(**{field.name: values.pop(field.name) for field in fields})
            command(given, *args, **values)

        run.__signature__ = own.replace(parameters=_ordered(parameters))  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return run

    return decorate


def _ordered(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
