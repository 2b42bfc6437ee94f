"""Which of our sessions an INVITE is to take the place of (RFC 3891 section 3)."""

from __future__ import annotations

from typing import Protocol

from pbx.sip.errors import Malformed
from pbx.sip.headers import REPLACES
from pbx.sip.message import Request
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.replaces import parse_replaces
from pbx.sip.session import CONFIRMED, EARLY, Session

_NULL = ("0", "")  # a tag of zero means also that of an element of RFC 2543, which has none (RFC 3891 6.1)


class Sessions(Protocol):
    """Where sessions are found: the user agent."""

    def session_of(self, key: tuple[str, str, str]) -> Session | None:
        """The session with a dialog ID; None when there is none, or no more."""

    def was_ended(self, key: tuple[str, str, str]) -> bool:
        """Whether a session with that dialog ID has just ended."""


def replaced(sessions: Sessions, request: Request) -> Session | None:
    """The session that an INVITE is to replace; None when it names none.

    Whether its sender may do that is not decided here.

    :raises Malformed: with the status that refuses the INVITE; the session named is left as it is.
    """
    value = request.one(REPLACES)
    if value is None:
        return None
    if sum([field[0] == "replaces" for field in request.fields]) > 1:
        raise Malformed(400, "Replaces comes twice")
    wanted = parse_replaces(value)
    keys = [(wanted.call_id, local, remote) for local in _tags(wanted.to_tag) for remote in _tags(wanted.from_tag)]
    found = [session for session in map(sessions.session_of, keys) if session is not None]
    if len(found) != 1:
        if not found and any(sessions.was_ended(key) for key in keys):
            raise Malformed(603, "that call is over")
        raise Malformed(481, "")
    session = found[0]
    if session.state is CONFIRMED:
        if wanted.early_only:
            raise Malformed(486, "that call is answered")
    elif session.state is not EARLY:
        raise Malformed(603, "that call is over")
    elif not isinstance(session, OutboundSession):
        raise Malformed(481, "that call is not ours to give")
    return session


def _tags(tag: str) -> tuple[str, ...]:
    return _NULL if tag == "0" else (tag,)
