"""Reach: what a REGISTER says, beside Contact, of how its phone is reached: through which proxies (Path, RFC 3327), and
by flows that it manages itself (outbound, RFC 5626). Values, read once from the request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pbx.sip.errors import Malformed, Refused
from pbx.sip.grammar import elements
from pbx.sip.headers import UNSUPPORTED, Address, parse_bracketed
from pbx.sip.message import Request

PROXIES = 10
"""Path values of one REGISTER; each request to the phone carries as many Routes."""

LONGEST = 4096
"""Characters of all that is read here of one REGISTER: it is kept, with each binding."""

_LONGEST_URN = 200  # characters of an instance: RFC 5626 4.1 makes a UUID of it, which has 45
_INSTANCE = re.compile(r"<([!#-;=?-\[\]-~]+)>")
_REG_ID = re.compile(r"[0-9]{1,10}", re.ASCII)
_UNSUPPORTED = UNSUPPORTED.field("path")


@dataclass(frozen=True, slots=True)
class Reach:
    """What one REGISTER says.

    :param path: the Path values, separated by commas; "" for none.
    :param outbound: whether a reg-id means a flow.
    :param gruu: whether the phone wants to hear its GRUUs (RFC 5627 4.1).
    """

    path: str = ""
    outbound: bool = False
    gruu: bool = False


PLAIN = Reach()

_SAYING = ("path", "require", "supported")
_Said = tuple[tuple[str, str], ...]


def reach_of(request: Request, unasked: bool) -> Reach:
    """Read it.

    :param unasked: whether a Path is taken of phones that do not know of it, too (RFC 3327 5.3).
    :raises Malformed: 400 for a Path that cannot be read, 420 for one that the phone does not know of, 439 when it asks
        for flows that its first hop cannot keep.
    """
    said = tuple([(key, value) for key in _SAYING for value in request.values(key)])
    if not said:
        return PLAIN
    if sum([len(value) for _, value in said]) > LONGEST:
        raise Malformed(400, "Path and Supported are too long")
    reach, keeps_flows = _read(said, unasked)
    if reach.outbound and not keeps_flows:
        if request.vias > 1:
            # RFC 5626 section 6: the proxy next to the phone would not keep the flow.
            if any("reg-id" in value.lower() for value in request.values("contact")):
                raise Malformed(439, "")
            return Reach(reach.path, False, reach.gruu)
    return reach


@lru_cache(maxsize=512)  # phones of one make say the same each time
def _read(said: _Said, unasked: bool) -> tuple[Reach, bool]:
    """What these fields say, and whether the proxy next to the phone, which is the last in Path, keeps flows."""
    knows = {tag.strip().lower() for key, value in said if key != "path" for tag in value.split(",")}
    values = [text for key, value in said if key == "path" for text in elements(value)]
    proxies = [parse_bracketed(value).uri for value in values]
    if len(proxies) > PROXIES or not all(proxy.is_sip for proxy in proxies):
        raise Malformed(400, "Path has too many proxies, or one without a SIP URI")
    if proxies and not (unasked or "path" in knows):
        raise Refused(420, _UNSUPPORTED)
    # Kept as text: their parameters go back as they came.
    reach = Reach(", ".join(values), "outbound" in knows, "gruu" in knows)
    return reach, bool(proxies) and "ob" in proxies[-1].parameters


def instance_of(contact: Address) -> str:
    """The URN of the phone in one Contact (RFC 5626 4.1), without quotes and angle brackets; "" where it has none.

    :raises Malformed: 400 when it is none.
    """
    given = contact.parameters.get("+sip.instance", "")
    if given == "":
        return ""
    found = _INSTANCE.fullmatch((given or "").removeprefix('"').removesuffix('"'))
    if found is None or len(found[1]) > _LONGEST_URN:
        raise Malformed(400, "malformed +sip.instance")
    return found[1]


def reg_id_of(contact: Address) -> int:
    """The reg-id of one Contact (RFC 5626 4.2), 1 or more; 0 where it has none.

    :raises Malformed: 400 when it is none.
    """
    if "reg-id" not in contact.parameters:
        return 0
    given = contact.parameters["reg-id"] or ""
    if not _REG_ID.fullmatch(given) or not 0 < int(given) < 2**31:
        raise Malformed(400, "malformed reg-id")
    return int(given)
