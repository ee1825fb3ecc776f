"""Whole exchanges, looked at from everywhere: traces, logs, what commands print, errors and every live object's repr.

Whatever was a `Secret` at any moment, given, made or agreed on, and every password, occurs in none of them, in no form.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gc
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlms.ciphering import Security
from dlms.cli.app import execute
from dlms.client import Client
from dlms.connection import Connection
from dlms.enums import ApplicationContext, Mechanism
from dlms.errors import DlmsError
from dlms.framing.wrapper import WrapperClient, WrapperServer
from dlms.operations.associate import AssociationRequest
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.keys import Secret
from dlms.security.policy import Envelope, Policy, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from dlms.server import Session
from dlms.trace import to_logging
from tests.dlms.secured import CLIENT_TITLE, EVERYTHING, MANAGER, SERVER_TITLE, World, key_set, world
from tests.dlms.served import served
from tests.dlms.server.devices import CLOCK, ENERGY, LONG, PROFILE, SERVER
from tests.dlms.short_name_meter import Loop

PASSWORD = b"k7Q-pw9Zr2Xt"
WRONG = b"n0T-pw9Zr2Xt"
LN = ApplicationContext.LN
OURS = ("dlms", "hdlc", "obis", "meters")
SHORTEST = 8


def forms(secret: bytes) -> Iterator[str]:
    """The ways in which octets come to be text."""
    for part in (secret, secret[:SHORTEST], secret[-SHORTEST:]):
        yield part.hex()
        yield part.hex(" ")
        yield part.hex(":")
        yield part.hex("-")
        yield repr(part)[2:-1].lower()
        yield part.decode("latin-1").lower()
        yield ", ".join(map(str, part))
        yield "".join(f"\\x{octet:02x}" for octet in part)
    yield str(int.from_bytes(secret, "big"))
    for cut in range(3):  # wherever it begins inside of what was encoded
        yield base64.b64encode(secret[cut : cut + (len(secret) - cut) // 3 * 3]).decode().lower()


class Watch:
    """Notes every secret that is made, and everything that is shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets: set[bytes] = {PASSWORD, WRONG}
        self.shown: list[str] = []
        made = Secret.__init__

        def noting(secret: Secret, value: Any) -> None:
            made(secret, value)
            if len(secret) >= SHORTEST:
                self.secrets.add(secret.reveal())

        monkeypatch.setattr(Secret, "__init__", noting)
        handler = logging.Handler()
        handler.emit = lambda record: self.shown.append(handler.format(record))  # type: ignore[method-assign]
        self.logger, self.handler = logging.getLogger(), handler

    def __enter__(self) -> Watch:
        self.logger.addHandler(self.handler)
        self.logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self.handler)
        self.logger.setLevel(logging.WARNING)

    def fault(self, error: BaseException | None) -> None:
        """An error with all that it came of."""
        assert error is not None
        self.shown += traceback.format_exception(error)
        while error is not None:
            self.shown.append(f"{error} {error!r} {error.args!r} {vars(error)!r}")
            error = error.__cause__ or error.__context__

    def objects(self) -> None:
        """Every object of ours that is alive."""
        for one in gc.get_objects():
            whose = type(one).__module__  # of some foreign types a descriptor
            if isinstance(whose, str) and whose.partition(".")[0] in OURS and not isinstance(one, type):
                with contextlib.suppress(AttributeError):  # one that was not read to its end has no fields yet
                    self.shown.append(f"{one!r} {one}")

    def check(self) -> int:
        """None of the secrets is in anything that was shown.  Gives how much that was."""
        text = "\n".join(self.shown).lower()
        for secret in self.secrets:
            for form in forms(secret):
                if form in text:  # the secret itself stays out of the report, too
                    at = text.index(form)
                    pytest.fail(f"a secret of {len(secret)} octets is shown behind {text[max(0, at - 80) : at]!r}")
        return len(text)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    with Watch(monkeypatch) as made:
        yield made


def use(client: Client) -> None:
    client.get(ENERGY.value)
    client.get_many([ENERGY.value, ENERGY.scaler_unit])
    client.set(LONG.value, b"text")
    client.call(ENERGY.reset)
    client.get(CLOCK.time)
    client.profile(PROFILE.instance)


def secured(mechanism: Mechanism, suite: SecuritySuite, context: ApplicationContext, secret: bytes = PASSWORD) -> World:
    of = world(mechanism, suite, context=context, policy=Policy.NOTHING)
    granted = of.device.associations[MANAGER, SERVER]
    of.device.associations[MANAGER, SERVER] = dataclasses.replace(granted, secret=secret)
    return of


EXCHANGES: list[tuple[Mechanism, SecuritySuite, ApplicationContext, dict[str, Any]]] = [
    *((mechanism, SUITE_0, LN, {}) for mechanism in Mechanism if mechanism is not Mechanism.HLS_ECDSA),
    *((mechanism, SUITE_1, ApplicationContext.LN_CIPHERED, {}) for mechanism in Mechanism),
    (
        Mechanism.HLS_ECDSA,
        SUITE_2,
        ApplicationContext.LN_CIPHERED,
        {"protection": Protection(7), "envelope": Envelope.GENERAL},
    ),
    (Mechanism.HLS_GMAC, SUITE_0, ApplicationContext.LN_CIPHERED, {"dedicated": True}),
    (Mechanism.LLS, SUITE_0, ApplicationContext.LN_CIPHERED, {"dedicated": True, "envelope": Envelope.GENERAL}),
    *(
        (Mechanism.HLS_GMAC, SUITE_1, ApplicationContext.LN_CIPHERED, {"envelope": one})
        for one in Envelope
        if one.describes_key
    ),
]


def traced(of: World, mechanism: Mechanism, password: bytes, security: Security) -> Client:
    """A client whose every octet is traced to the log."""
    granted = of.device.associations[MANAGER, SERVER]
    request = AssociationRequest(mechanism, password, granted.context, EVERYTHING, security=security)
    trace = to_logging(logging.getLogger("dlms.test"), (password,))
    connection = Connection(WrapperClient(MANAGER, SERVER), request, trace=trace)
    return Client(connection, Loop(Session({None: of.device}, WrapperServer())))


@pytest.mark.parametrize(("mechanism", "suite", "context", "options"), EXCHANGES, ids=str)
def test_an_exchange(
    watch: Watch, mechanism: Mechanism, suite: SecuritySuite, context: ApplicationContext, options: dict[str, Any]
) -> None:
    of = secured(mechanism, suite, context)
    security = of.client(**({} if context.ciphered else {"protection": Protection.NONE}), **options)
    client = traced(of, mechanism, PASSWORD, security).open()
    use(client)
    watch.objects()
    client.close()
    watch.objects()
    assert watch.check() > 10_000
    assert any("> " in line for line in watch.shown)


def strange(of: World, suite: SecuritySuite) -> Security:
    """The same client with other keys."""
    return of.client(provider=MemoryKeyProvider(key_set(suite, 16), suite), counters=Counters(MemoryCounterStore()))


@pytest.mark.parametrize("mechanism", [one for one in Mechanism if one not in (Mechanism.NONE, Mechanism.HLS_ECDSA)])
@pytest.mark.parametrize("context", [LN, ApplicationContext.LN_CIPHERED], ids=str)
def test_an_exchange_that_is_refused(watch: Watch, mechanism: Mechanism, context: ApplicationContext) -> None:
    of = secured(mechanism, SUITE_0, context)
    for password, security in ((WRONG, of.security), (PASSWORD, strange(of, SUITE_0))):
        if not context.ciphered:
            security = dataclasses.replace(security, protection=Protection.NONE)
        client = traced(of, mechanism, password, security)
        with contextlib.suppress(DlmsError):
            client.open()
            use(client)
        watch.objects()
    with pytest.raises(DlmsError) as refusal:
        traced(of, mechanism, WRONG if not mechanism.with_keys else PASSWORD, strange(of, SUITE_0)).open()
    watch.fault(refusal.value)
    watch.check()


Spoil = Callable[[bytes], bytes]


@pytest.mark.parametrize("place", [0, 1, 2, 3, 9, 30, -1])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_exchange_that_is_spoilt(watch: Watch, place: int, number: int) -> None:
    of = secured(Mechanism.HLS_GMAC, SUITE_0, ApplicationContext.LN_CIPHERED)
    client = traced(of, Mechanism.HLS_GMAC, PASSWORD, of.client(dedicated=True))
    medium, answers = client._medium, 0
    receive = medium.receive

    def spoilt(timeout_s: float | None) -> bytes:
        nonlocal answers
        answers += 1
        data = bytearray(receive(timeout_s))
        if answers == number:
            data[place if place < 0 else 8 + min(place, len(data) - 9)] ^= 0x21
        return bytes(data)

    medium.receive = spoilt  # type: ignore[method-assign]
    with pytest.raises(DlmsError) as refusal:
        client.open().get(ENERGY.value)
    watch.fault(refusal.value)
    for fault in client.faults:
        watch.fault(fault)
    watch.objects()
    watch.check()


CODE = "1.0.1.8.0.255"
COMMANDS = (
    ("read", CODE),
    ("snapshot", CODE),
    ("objects",),
    ("write", str(LONG.instance), "74657874"),
    ("call", CODE, "1"),
    ("profile", str(PROFILE.instance)),
    ("clock",),
)


def shown(watch: Watch, capsys: pytest.CaptureFixture[str], *arguments: str) -> int:
    code = execute(arguments)
    printed = capsys.readouterr()
    watch.shown += [printed.out, printed.err]
    return code


@pytest.mark.parametrize(
    "mechanism", [Mechanism.LLS, Mechanism.HLS_SHA256, Mechanism.HLS_GMAC], ids=lambda one: one.name
)
def test_commands(
    watch: Watch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mechanism: Mechanism,
) -> None:
    keys, password = str(tmp_path / "keys.json"), tmp_path / "password"
    password.write_bytes(PASSWORD)
    password.chmod(0o600)
    held = key_set(SUITE_0)
    for name in ("encryption", "authentication", "master"):
        monkeypatch.setenv(f"K_{name}", getattr(held, name).reveal().hex())
    sources = [f"--key={name}=env:K_{name}" for name in ("encryption", "authentication", "master")]
    made = (
        ("keys", "create", keys, "us", "--title", CLIENT_TITLE.hex()),
        ("keys", "create", keys, "meter", "--title", SERVER_TITLE.hex(), "--identity", "us", *sources),
        ("keys", "show", keys),
        ("keys", "show", keys, "meter"),
    )
    assert [shown(watch, capsys, *command) for command in made] == [0] * len(made), watch.shown
    auth = "--auth", mechanism.name.lower().replace("_", "-")
    common = "--client", "1", "--keys", keys, *auth, "--trace"
    secret = () if mechanism.with_keys else ("--password-file", str(password))
    for number, (command, *rest) in enumerate((*COMMANDS, *([COMMANDS[0]] if secret else []))):
        counters = str(tmp_path / f"counters {number}")  # a process keeps the one that it has opened
        assert shown(watch, capsys, "keys", "counters", "create", counters) == 0
        wrong = number == len(COMMANDS)
        password.write_bytes(WRONG if wrong else PASSWORD)
        with served("tcp://127.0.0.1:0", secured(mechanism, SUITE_0, ApplicationContext.LN_CIPHERED).device) as url:
            code = shown(watch, capsys, command, url, *rest, *common, "--counters", counters, *secret)
        assert code == wrong, (command, watch.shown[-1][-300:])
    assert sum(line.count("> ") for line in watch.shown) > 20
    watch.objects()
    watch.check()


@pytest.mark.parametrize("form", [0, 3, 4, 5, 6, 7, -1, -2])
def test_the_watch_itself_finds_secrets(watch: Watch, form: int) -> None:
    watch.shown = ["something " + list(forms(PASSWORD))[form] + " more"]
    with pytest.raises(pytest.fail.Exception, match="is shown behind"):
        watch.check()
