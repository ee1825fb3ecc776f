"""XML that the translator of gurux-dlms writes is read by ours, and the other way round: the same octets come out.

Its Python translator is in part a draft: many branches call methods that do not exist.  What it cannot do, or gets
wrong, is in exceptions.txt, for each of its two dialects (`standard`, `simple`) and for what it reads.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

gurux_dlms = pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from gurux_dlms import GXByteBuffer  # noqa: E402
from gurux_dlms.enums.TranslatorOutputType import TranslatorOutputType  # noqa: E402
from gurux_dlms.GXDLMSTranslator import GXDLMSTranslator  # noqa: E402

from dlms import data  # noqa: E402
from dlms.acse import Aare, Aarq  # noqa: E402
from dlms.apdu import GetResponseNormal, ServiceCiphered  # noqa: E402
from dlms.cli.app import execute  # noqa: E402
from dlms.codec import encode  # noqa: E402
from dlms.compact_array import CompactArray, ScalarType  # noqa: E402
from dlms.decode.xml import from_xml, to_xml  # noqa: E402
from dlms.errors import DlmsError  # noqa: E402
from tests.dlms.apdu_samples import SAMPLES  # noqa: E402
from tests.dlms.strategies import RECORDS  # noqa: E402
from tests.interop.deviations import Deviations, PeerError  # noqa: E402
from tests.interop.device import SCALARS  # noqa: E402
from tests.interop.gurux import NAME  # noqa: E402

pytestmark = pytest.mark.interop

DIALECTS = {"standard": TranslatorOutputType.STANDARD_XML, "simple": TranslatorOutputType.SIMPLE_XML}
VALUES: dict[str, Any] = {
    **{name: value for name, value, _, _ in SCALARS},
    "visible-string with markup": "a<b&c",
    "array and structure": [(b"\1", None), (b"\2", None)],
    "array empty": [],
    "compact-array": CompactArray(ScalarType(17), b"\1\2\3"),
}
"""Every type of Data."""
MESSAGES = {
    **{name: encode(record) for name, record in SAMPLES.items()},
    **{f"value {name}": encode(GetResponseNormal(0xC1, value)) for name, value in VALUES.items()},
}


_ALIKE = {ServiceCiphered: "glo- and ded-", Aarq: "aarq", Aare: "aare"}
"""Classes of which it reads none, for the same reason each."""


def written(wire: bytes, dialect: str) -> str:
    """What its translator makes of an APDU; whatever happens inside it is a PeerError."""
    return str(_quietly(lambda: GXDLMSTranslator(DIALECTS[dialect]).pduToXml(GXByteBuffer(wire))))


def bare_written(octets: bytes, dialect: str) -> str:
    """The same of bare Data."""
    return str(_quietly(lambda: GXDLMSTranslator(DIALECTS[dialect]).dataToXml(GXByteBuffer(octets))))


def read(text: str) -> bytes:
    """The octets that its translator makes of a document of the standard dialect."""
    translator = GXDLMSTranslator(DIALECTS["standard"])
    return bytes(_quietly(lambda: GXByteBuffer(translator.xmlToPdu(text)).array()))


def _quietly(work: Any) -> Any:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            return work()
    except Exception as fault:
        raise PeerError(f"{type(fault).__name__}: {fault}") from fault


def test_the_samples_are_of_every_class() -> None:
    assert {type(one) for one in SAMPLES.values()} == set(RECORDS)


def encoded(wire: bytes, dialect: str, write: Callable[[bytes, str], str]) -> str | PeerError:
    """The octets that ours makes of what its translator makes of them."""
    try:
        text = write(wire, dialect)
        return from_xml(text).hex()
    except PeerError as fault:
        return fault
    except DlmsError as fault:
        return PeerError(f"{fault}: {text[:400]}")


def test_what_it_writes_is_encoded_to_the_same_octets() -> None:
    """A place without a dialect is a deviation in both."""
    found = Deviations(NAME, "xml written")
    for name, wire in MESSAGES.items():
        came = {dialect: encoded(wire, dialect, written) for dialect in DIALECTS}
        wrong = [dialect for dialect, octets in came.items() if octets != wire.hex()]
        place = name if len(wrong) == len(DIALECTS) else f"{name} ({wrong[0]})" if wrong else name
        found.equal(place, came[wrong[0]] if wrong else wire.hex(), wire.hex())
    found.check()


def test_bare_data_that_it_writes_is_encoded_where_it_is_within_an_apdu() -> None:
    """What it gets wrong without an APDU is what it gets wrong within one."""
    for name, value in VALUES.items():
        bare, within = data.encode(value), MESSAGES[f"value {name}"]
        for dialect in DIALECTS:
            came = encoded(bare, dialect, bare_written)
            assert (came == bare.hex()) == (encoded(within, dialect, written) == within.hex()), (name, dialect, came)


def test_it_reads_what_is_written_here() -> None:
    found = Deviations(NAME, "xml read")
    for name, wire in MESSAGES.items():
        place = _ALIKE.get(type(SAMPLES.get(name)), name)
        with found.at(place):
            found.equal(place, read(to_xml(wire)).hex(), wire.hex())
    found.check()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_its_documents_through_the_command(dialect: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("get-request-normal", "aarq ciphered", "set-request-with-list", "write-request variable", "rlrq")
    for name in names:
        file = tmp_path / "apdu.xml"
        file.write_text(written(MESSAGES[name], dialect), encoding="utf-8")
        assert execute(["encode", str(file)]) == 0
        assert capsys.readouterr().out.strip() == MESSAGES[name].hex()
