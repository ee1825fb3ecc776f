"""How other tools spell the documents that `xml` reads: their names turned into those of `asn1_names`.

Two dialects are in use.  The standard one has the names of the ASN.1 module, with differences in case and in a few words.
The simple one has names in camel case without a namespace, and values in the attribute Value: numbers in hex there.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any

from dlms import codec as c
from dlms.acse import ACSE
from dlms.apdu import APDUS
from dlms.codec import Codec, Record
from dlms.data import TYPE_NAMES
from dlms.decode import asn1_names as names

XDLMS_ROOT, ACSE_ROOT = "xDLMS-APDU", "aCSE-APDU"

_OWN = (
    *(XDLMS_ROOT, ACSE_ROOT, "charstring", "acse-service-user", "acse-service-provider", "data-access-result"),
    *("data-value", "untagged-push", "entry", "value", "enum", "contents-description", "array-contents"),
    *("number-of-elements", "type-description", "apdu"),
)
"""Names that the forms of values bring along."""

_SIMPLE: Mapping[str, str] = {
    "_AccessRequestSpecification": "Access-Request-Specification",
    "_AccessResponseSpecification": "Access-Response-Specification",
}
"""Names of the simple dialect that differ from others only in an underscore."""

SYNONYMS: Mapping[str, str] = {
    "associationrequest": "aarq",
    "associationresponse": "aare",
    "releaserequest": "rlrq",
    "releaseresponse": "rlre",
    "associationresult": "result",
    "senderacserequirement": "sender-acse-requirements",
    "responderacserequirement": "responder-acse-requirements",
    "callingauthentication": "calling-authentication-value",
    "respondingauthentication": "responding-authentication-value",
    "proposedmaxpdusize": "client-max-receive-pdu-size",
    "negotiatedmaxpdusize": "server-max-receive-pdu-size",
    "getrequestfornextdatablock": "get-request-next",
    "actionresponsenextblock": "action-response-next-pblock",
    "attributedescriptor": "cosem-attribute-descriptor",
    "methoddescriptor": "cosem-method-descriptor",
    "attributedescriptorwithselection": "Cosem-Attribute-Descriptor-With-Selection",
    "listofvariableaccessspecification": "variable-access-specification",
    "parameterisedaccess": "parameterized-access",
    "dataaccesserror": "data-access-error",
    "cipheredservice": "ciphered-content",
    "glogloconfirmedserviceerror": "glo-confirmed-service-error",
    "dedgloconfirmedserviceerror": "ded-confirmed-service-error",
    "conformancebit": "ConformanceBit",
    "none": "null-data",
    "string": "visible-string",
    "stringutf8": "utf8-string",
    "int8": "integer",
    "int16": "long",
    "int32": "double-long",
    "int64": "long64",
    "uint8": "unsigned",
    "uint16": "long-unsigned",
    "uint32": "double-long-unsigned",
    "uint64": "long64-unsigned",
    "pdu": XDLMS_ROOT,
}
"""Names of other tools whose words are others than ours, by what `squashed` makes of them."""

LABELS: Mapping[str, str] = {
    "accessviolated": "scopeofaccessviolated",
    "inconsistentclass": "objectclassinconsistent",
    "unavailableobject": "objectunavailable",
    "undefinedobject": "objectundefined",
    "unmatchedtype": "typeunmatched",
    "longgetorreadaborted": "longgetaborted",
    "longsetorwriteaborted": "longsetaborted",
    "nolonggetorreadinprogress": "nolonggetinprogress",
    "nolongsetorwriteinprogress": "nolongsetinprogress",
    "objectaccessinvalid": "objectaccessviolated",
}
"""Names of values whose words are others than ours."""


def squashed(name: str) -> str:
    """What two spellings of a name have in common: letters and digits in lower case."""
    return name.replace("-", "").replace("_", "").lower()


def value_named(text: str, labels: names.Labels) -> int | None:
    """The value of an enumeration with this name, in any spelling; None where it is no name."""
    wanted = squashed(text.strip())
    wanted = LABELS.get(wanted, wanted)
    return next((value for value, name in labels.items() if squashed(name) == wanted), None)


def respell(root: ET.Element) -> None:
    """Give every element the name that the reader knows; those that nobody knows keep theirs."""
    known, by_spelling = _known()
    simple = root.tag not in known and squashed(root.tag) in by_spelling
    for element in root.iter():
        tag = element.tag
        if simple or tag not in known:
            element.tag = _SIMPLE.get(tag) or by_spelling.get(squashed(tag), tag)


@functools.cache
def _known() -> tuple[frozenset[str], Mapping[str, str]]:
    """Every name, and every name by its letters; names in lower case come first."""
    ours = {*_OWN, *names.FAMILIES, *names.CIPHERED, *TYPE_NAMES.values(), *names.SERVICES.values()}
    ours |= {*names.ERROR_CLASSES.values(), *(name for name, _ in names.BODIES.values())}
    spellings: dict[str, str] = {}
    seen: set[type[Record]] = set()
    for of in (*APDUS, *ACSE.values()):
        for name, spelling in _names_in(of, seen):
            ours.add(name)
            spellings.setdefault(squashed(spelling), name)
    spellings |= {squashed(name): name for name in sorted(ours)}  # capitals sort first
    return frozenset(ours), {**spellings, **SYNONYMS}


def _names_in(of: type[Record], seen: set[type[Record]]) -> Iterator[tuple[str, str]]:
    """Names of a record, of its fields and of what is in them, each with how the ASN.1 module may spell it."""
    if of in seen:
        return
    seen.add(of)
    yield names.element_name(of), of.wire_name()
    for field, codec in of.layout:
        yield names.field_name(of, field), field
        yield from _names_in_codec(codec, seen)


def _names_in_codec(codec: Codec, seen: set[type[Record]]) -> Iterator[tuple[str, str]]:
    inner: Any = getattr(codec, "inner", None)
    match codec:
        case c.Nested(of):
            yield from _names_in(of, seen)
        case c.Alternatives(by_tag):
            for _, of in by_tag:
                yield from _names_in(of, seen)
        case c.ResultOf():
            yield codec.inner_name.replace("_", "-"), codec.inner_name
        case c.SequenceOf():
            yield names.item_name(inner), names.item_name(inner)
    if inner is not None:
        yield from _names_in_codec(inner, seen)
