"""`dlms decode` as people and pipelines use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dlms.cli.app import app, execute
from dlms.decode.xml import from_xml
from tests.dlms.decode.test_ciphering import BOTH, ENCRYPTED_ONLY, FILE
from tests.dlms.decode.test_recognise import AARQ, GET, SAMPLES, hdlc

ROOT = Path(__file__).resolve().parents[3]


def cli(*arguments: str, stdin: bytes | str = "") -> Result:
    result: Any = CliRunner().invoke(app, ["decode", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result  # type: ignore[no-any-return]


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(FILE))
    return str(path)


def test_hex_as_a_tree() -> None:
    result = cli(SAMPLES["hdlc"].hex())
    assert result.exit_code == 0
    assert "apdu get-request-normal  (offset 12, length 13)" in result.stdout
    assert cli(*SAMPLES["hdlc"].hex(" ").split()).stdout == result.stdout
    assert cli(SAMPLES["hdlc"].hex(":").upper()).stdout == result.stdout


def test_json() -> None:
    answer = json.loads(cli("--json", GET.hex()).stdout)
    assert (answer["ok"], answer["value"]["apdu"]) == (True, "get-request-normal")
    assert cli("--json", "--as", "data", GET.hex()).exit_code == 1


def test_password_is_masked_for_people() -> None:
    assert b"MySecret".hex() not in cli(AARQ.hex()).stdout
    assert json.loads(cli("--json", AARQ.hex()).stdout)["value"]["authentication_value"] == b"MySecret".hex()


def test_keys(key_file: str) -> None:
    shown = cli(BOTH.hex(), "--keys", key_file)
    assert shown.exit_code == 0
    assert "apdu get-request-normal" in shown.stdout
    assert not any(FILE[name] in shown.stdout for name in ("encryption", "authentication"))
    broken = cli(BOTH.hex()[:-2] + "00", "--keys", key_file)
    assert broken.exit_code == 1
    assert "tag" in broken.stdout
    kept = json.loads(cli("--json", ENCRYPTED_ONLY.hex(), "--keys", key_file).stdout)
    assert (kept["ok"], kept["encrypted"]) == (True, True)
    found = json.loads(cli("--json", ENCRYPTED_ONLY.hex(), "--keys", key_file, "--unverified").stdout)
    assert (found["verified"], found["value"]["apdu"]) == (False, "get-request-normal")


def test_files(tmp_path: Path) -> None:
    binary, text, line = tmp_path / "capture.bin", tmp_path / "capture.hex", tmp_path / "line.txt"
    binary.write_bytes(SAMPLES["hdlc"] + hdlc(b"\xe6\xe6\x00" + GET, number=1))
    text.write_text(f"# two messages\n{GET.hex(' ')}\n\n{SAMPLES['wrapper'].hex()}\n")
    line.write_bytes(SAMPLES["iec62056-21"])
    assert len(json.loads(cli("--json", str(binary)).stdout)["value"]) == 2
    answers = [json.loads(one) for one in cli("--json", str(text)).stdout.splitlines()]
    assert [answer["kind"] for answer in answers] == ["apdu", "wrapper"]
    assert json.loads(cli("--json", str(line)).stdout)["value"]["manufacturer"] == "ABC"


def test_a_stream_answers_every_line_that_is_neither_blank_nor_a_comment() -> None:
    lines = [
        GET.hex(),
        "no hex",
        "",
        "# a comment",
        " \t",
        "ffff",
        SAMPLES["hdlc"].hex(" "),
        "abc",
        "\N{SNOWMAN}",
        SAMPLES["data"].hex(),
    ]
    result = cli("-", stdin="\n".join(lines) + "\n")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["ok"] for answer in answers] == [True, False, False, True, False, False, True]
    assert all(answer["layers"] == [] and answer["error"] for answer in answers if not answer["ok"])
    assert result.exit_code == 1
    assert cli("-", stdin=f"{GET.hex()}\n").exit_code == 0
    assert cli("-", stdin="").exit_code == 0
    assert cli("-", stdin="\n\n").stdout == ""


def test_a_stream_of_xml_has_one_document_a_line(tmp_path: Path) -> None:
    """A text with line ends in it is one line, too; what is wrong is told with the number of its line."""
    lines = [GET.hex(), "", "no hex", "0a03610a62", hdlc(b"\xe6\xe6\x00" + GET).hex(), "ffff"]
    result = cli("--xml", "-", stdin="\n".join(lines) + "\n")
    assert result.exit_code == 1
    written = result.stdout.splitlines()
    assert [from_xml(one).hex() for one in written] == [GET.hex(), "0a03610a62", GET.hex()]
    assert "a&#10;b</x:visible-string>" in written[1]
    assert result.stderr.splitlines() == [
        "dlms: line 3: not hex: 'no hex'",
        "dlms: line 6: 1 octets left over behind the value at offset 1 of 2: ff [ff]",
    ]
    documents = tmp_path / "documents.xml"
    documents.write_text(result.stdout)
    encoded: Any = CliRunner().invoke(app, ["encode", str(documents)])
    assert encoded.stdout.split() == [GET.hex(), "0a03610a62", GET.hex()]


def test_a_line_that_is_too_long_is_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.cli.decode.MAX_LINE", 60)
    result = cli("-", stdin=f"{'00' * 200}\n{GET.hex()}\n")
    assert [json.loads(line)["ok"] for line in result.stdout.splitlines()] == [False, True]


@pytest.mark.parametrize(
    "arguments",
    [
        ["decode"],
        ["decode", "zz"],
        ["decode", "00", "--as", "zigbee"],
        ["decode", "00", "--keys", "/nowhere/keys.json"],
        ["decode", "00", "--colour"],
        [],
        ["decipher"],
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("dlms: ")
    assert shown.err.count("\n") == 1


def test_a_key_file_that_is_none_shows_no_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"encryption": "00112233"}))
    assert execute(["decode", "00", "--keys", str(path)]) == 2
    assert "00112233" not in capsys.readouterr().err
    path.write_text("00112233445566778899aabbccddeeff")
    assert execute(["decode", "00", "--keys", str(path)]) == 2
    assert "00112233" not in capsys.readouterr().err


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_a_pipeline_gets_each_answer_at_once() -> None:
    """The answer to a line is there before the next line is written."""
    command = [sys.executable, "-m", "dlms.cli.app", "decode", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=ROOT, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line, kind in ((GET.hex(), "apdu"), ("oops", None), (SAMPLES["mbus"].hex(), "mbus")):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()).get("kind") == kind
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait() == 1


def test_text_that_the_terminal_cannot_show() -> None:
    command = [sys.executable, "-m", "dlms.cli.app", "decode", "0c03e29883"]
    plain = environment() | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=plain, cwd=ROOT, capture_output=True, check=True)
    assert b"utf8-string '\\u2603'" in done.stdout


def test_nothing_heavy_is_imported() -> None:
    script = (
        "import sys; from dlms.cli.app import execute; code = execute(['decode', '--json', sys.argv[1]]);"
        "print(*(m for m in ('numpy', 'asyncio', 'serial', 'cryptography', 'construct') if m in sys.modules), file=sys.stderr);"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", script, SAMPLES["hdlc"].hex()]
    done = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
