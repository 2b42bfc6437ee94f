"""The XML documents of event packages: only what can stand in XML is written, and what phones send is never trusted."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pbx.sip.errors import Malformed

DEEPEST = 16
"""Elements within elements that a phone's document may have."""


def printable(text: str) -> str:
    """What can stand in XML: a phone may have written anything."""
    return "".join([character if character.isprintable() else "?" for character in text])


def written(root: Element) -> bytes:
    """A document, as it goes over the network."""
    document: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return document


def read(body: bytes) -> Element:
    """Read a document that a phone has sent.

    A document type could name files of ours, or make a page of each character: there is none in any event package.

    :raises Malformed: 400 when it is not XML in UTF-8, has a document type, or is deeper than any state is.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed(400, "the document is not in UTF-8") from None
    if "<!DOCTYPE" in text:
        raise Malformed(400, "the document has a document type")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        raise Malformed(400, "the document is not well-formed XML") from None
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
    if level:
        raise Malformed(400, "the document is too deep")
    return root
