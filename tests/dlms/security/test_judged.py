"""Vectors in Wycheproof's manner: for each use of a primitive what must pass and what must not, and the flaw it has.

`judged.json` holds groups: the fields that its tests share, and tests that change some of them.  Published values are
named in the comment; the rest was computed from them once, and stands as bytes, so that no change of both directions
can hide.  Octets are hex.  `REQUIRED` says which flaws each use must have tests for.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlms.enums import Mechanism
from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import agreement, gcm, points, protection, signature
from dlms.security.certificates import check_authority, read
from dlms.security.channel import Channel
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.hls import EcdsaScheme, GmacScheme, Scheme, SecretScheme, Sha256Scheme, check_challenge
from dlms.security.keys import KeySet, Secret
from dlms.security.providers import MemoryKeyProvider
from dlms.security.signing_request import read_request
from dlms.security.suite import SUITES, SecurityControl
from dlms.security.trust import CertificateStore
from dlms.security.wrap import unwrap

h = bytes.fromhex
GROUPS = json.loads(Path(__file__).with_name("judged.json").read_text())
TESTS: list[dict[str, Any]] = [group["fields"] | test for group in GROUPS for test in group["tests"]]


def key_set(keys: dict[str, str]) -> KeySet:
    return KeySet(**{name: h(value) for name, value in keys.items()})


def judge_gcm(test: dict[str, Any]) -> bool:
    """Both paths must judge alike."""
    arguments = Secret(h(test["key"])), h(test["nonce"]), h(test["ciphertext"]), h(test["tag"]), h(test["associated"])
    found = [gcm.open_sealed(*arguments), gcm.open_plain(*arguments)]
    assert found[0] == found[1]
    return found[0] == h(test["plaintext"])


def judge_unprotect(test: dict[str, Any]) -> bool:
    found = protection.unprotect(
        h(test["body"]), key_set(test["keys"]), h(test["title"]), h(test["header"]), dedicated=test["dedicated"]
    )
    return found.verified and found.plaintext == h(test["plaintext"])


def judge_channel(test: dict[str, Any]) -> bool:
    provider = MemoryKeyProvider(key_set(test["keys"]), SUITES[test["suite"]])
    channel = Channel(provider, Counters(MemoryCounterStore()), h(test["own"]), h(test["peer"]))
    required = SecurityControl.parse(test["required"])
    *before, last = test["bodies"]
    for body in before:
        assert channel.unprotect(h(body), required).verified
    return channel.unprotect(h(last), required).verified


def judge_unwrap(test: dict[str, Any]) -> bool:
    return unwrap(Secret(h(test["master"])), h(test["wrapped"]), SUITES[test["suite"]]) == Secret(h(test["key"]))


def public(test: dict[str, Any]) -> tuple[points.ec.EllipticCurvePublicKey, Any]:
    """The public key on its own curve, whatever suite the test speaks of."""
    own = next(suite for suite in SUITES.values() if suite.public_key_length == len(h(test["public"])))
    return points.public_key(h(test["public"]), own), SUITES[test["suite"]]


def judge_verify(test: dict[str, Any]) -> bool:
    signature.verify(*public(test), h(test["signature"]), h(test["data"]))
    return True


def judge_point(test: dict[str, Any]) -> bool:
    suite = SUITES[test["suite"]]
    return points.public_octets(points.public_key(h(test["point"]), suite), suite) == h(test["point"])


def judge_private_key(test: dict[str, Any]) -> bool:
    suite = SUITES[test["suite"]]
    key = points.private_key(Secret(h(test["key"])), suite)
    return points.public_octets(key.public_key(), suite) == h(test["public"])


def judge_agree(test: dict[str, Any]) -> bool:
    own = next(suite for suite in SUITES.values() if suite.coordinate_length == len(h(test["private"])))
    key = points.private_key(Secret(h(test["private"])), own)
    return agreement.shared_secret(key, h(test["peer"]), SUITES[test["suite"]]) == Secret(h(test["z"]))


def judge_ephemeral(test: dict[str, Any]) -> bool:
    key, suite = public(test)
    verify = functools.partial(signature.verify, key, suite)
    return agreement.verified_ephemeral(h(test["data"]), suite, verify, test["key_id"]) == h(test["point"])


def scheme(test: dict[str, Any]) -> Scheme:
    mechanism, own, peer = Mechanism(test["mechanism"]), h(test["own"]), h(test["peer"])
    if mechanism is Mechanism.HLS_GMAC:
        provider = MemoryKeyProvider(key_set(test["keys"]), SUITES[test["suite"]])
        channel = Channel(provider, Counters(MemoryCounterStore()), own, peer)
        if "last" in test:
            channel.receiving().commit(test["last"])
        return GmacScheme(channel)
    if mechanism is Mechanism.HLS_ECDSA:
        return EcdsaScheme(bytes, functools.partial(signature.verify, *public(test)), own, peer)
    if mechanism is Mechanism.HLS_SHA256:
        return Sha256Scheme(Secret(h(test["secret"])), own, peer)
    return SecretScheme(mechanism, h(test["secret"]), allow_weak=True)


def judge_hls(test: dict[str, Any]) -> bool:
    scheme(test).check(h(test["answer"]), h(test["received"]), h(test["sent"]))
    return True


def judge_challenge(test: dict[str, Any]) -> bool:
    check_challenge(Mechanism(test["mechanism"]), h(test["received"]), h(test["sent"]))
    return True


def judge_certificate(test: dict[str, Any]) -> bool:
    now = datetime.datetime.fromisoformat(test["at"])
    store = CertificateStore([read(h(test["issuer"]))], now)
    return store.verify(read(h(test["certificate"])), now).system_title == h(test["title"])


def judge_authority(test: dict[str, Any]) -> bool:
    now = datetime.datetime.fromisoformat(test["at"])
    check_authority(read(h(test["certificate"])), read(h(test["issuer"])), now)
    return True


def judge_request(test: dict[str, Any]) -> bool:
    return read_request(h(test["request"])).system_title == h(test["title"])


JUDGES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "gcm": judge_gcm,
    "unprotect": judge_unprotect,
    "channel": judge_channel,
    "unwrap": judge_unwrap,
    "verify": judge_verify,
    "point": judge_point,
    "private-key": judge_private_key,
    "agree": judge_agree,
    "ephemeral": judge_ephemeral,
    "hls": judge_hls,
    "challenge": judge_challenge,
    "certificate": judge_certificate,
    "authority": judge_authority,
    "request": judge_request,
}

REQUIRED = {
    "gcm": "flipped-bit short-tag long-tag cut added wrong-key",
    "unprotect": "flipped-bit short-tag cut added wrong-suite wrong-key-set wrong-title downgrade wrong-key wrong-header",
    "channel": "equal-counter lower-counter last-counter downgrade wrong-key-set wrong-suite wrong-title",
    "unwrap": "flipped-bit cut added wrong-key wrong-suite wrong-order not-wrapped",
    "verify": "flipped-bit range der cut added wrong-data wrong-key wrong-order wrong-suite forged",
    "point": "off-curve range infinity encoding cut added wrong-suite",
    "private-key": "range cut added wrong-suite",
    "agree": "off-curve infinity encoding cut wrong-suite",
    "ephemeral": "flipped-bit off-curve range der cut added wrong-data wrong-key wrong-suite forged",
    "hls": "flipped-bit short-tag long-tag cut added range der downgrade wrong-key-set wrong-suite wrong-title wrong-data "
    "wrong-key reflection equal-counter lower-counter last-counter",
    "challenge": "cut added reflection",
    "certificate": "time serial usage extended-usage constraints critical title key issuer hash signature version encoding",
    "authority": "time serial usage extended-usage constraints critical key hash signature",
    "request": "signature hash title key cut added encoding",
}


@pytest.mark.parametrize("test", TESTS, ids=lambda test: f"{test['id']} {test['use']}: {test['comment']}")
def test_judgement(test):
    judge = JUDGES[test["use"]]
    if test["valid"]:
        assert judge(test)
        return
    try:
        accepted = judge(test)
    except (SecurityError, LocalProtocolError):
        return
    assert test["use"] == "gcm", "what is refused is refused with an error of ours"
    assert not accepted


def test_every_use_has_every_flaw_and_a_valid_one():
    flaws: dict[str, set[str]] = defaultdict(set)
    for test in TESTS:
        assert test["valid"] == (test["flaw"] == "none")
        flaws[test["use"]].add(test["flaw"])
    assert flaws == {use: {"none", *words.split()} for use, words in REQUIRED.items()}
    assert set(JUDGES) == set(REQUIRED)
    for key in ("suite", "mechanism"):
        values = {test[key] for test in TESTS if test["use"] == "hls" and key in test}
        assert values == ({0, 1, 2} if key == "suite" else {2, 3, 4, 5, 6, 7})


def test_each_test_is_there_once():
    seen = [json.dumps({**test, "id": 0, "comment": ""}, sort_keys=True) for test in TESTS]
    assert len(set(seen)) == len(seen)
    assert [test["id"] for test in TESTS] == list(range(1, len(TESTS) + 1))
