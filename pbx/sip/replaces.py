"""Replaces (RFC 3891 section 6): a dialog as it is named from outside."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.sip.errors import Malformed
from pbx.sip.grammar import Parameters


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog of ours, as an INVITE or a REFER names it.

    :param to_tag: our tag.
    :param from_tag: the tag of the peer in that dialog.
    :param early_only: whether it is to be replaced only while nobody has answered.
    """

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool


def parse_replaces(value: tuple[str, Parameters]) -> Replaces:
    """Read what the field says, or the header of a URI.

    :raises Malformed: 400 without the two tags (RFC 3891 6.1).
    """
    call_id, given = value
    to_tag, from_tag = given.get("to-tag"), given.get("from-tag")
    if not (to_tag and from_tag):
        raise Malformed(400, "Replaces without both tags")
    return Replaces(call_id, to_tag, from_tag, "early-only" in given)
