"""Requests outside dialogs that belong together: one Call-ID, one From, numbers that rise (RFC 3261 8.1.1)."""

from __future__ import annotations

from pbx.sip.flow import Flow, contact_of
from pbx.sip.headers import CALL_ID, CONTACT, CSEQ, FROM, MAX_FORWARDS, TO, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import NO_BODY, Request, with_body

FORWARDS = 70  # RFC 3261 8.1.1.6


class Correspondence:
    """One such series of requests.

    :param flow: their way.
    :param target: the Request-URI.
    :param local: our From value, without tag.
    :param remote: the To value.
    :param forwards: Max-Forwards.
    :ivar cseq: the number of the last request.
    """

    __slots__ = ("_forwards", "_local", "_remote", "_target", "call_id", "cseq", "flow", "local_tag")

    def __init__(
        self, identifiers: Identifiers, flow: Flow, target: str, local: str, remote: str, forwards: int = FORWARDS
    ) -> None:
        self.flow = flow
        self.call_id = identifiers.token()
        self.local_tag = identifiers.token()
        self.cseq = 0
        self._target = target
        self._local = f"{local};tag={self.local_tag}"
        self._remote = remote
        self._forwards = forwards

    @property
    def key(self) -> tuple[str, str, str]:
        """What is known of the ID of a dialog that a request may make: the peer's tag is still missing."""
        return (self.call_id, self.local_tag, "")

    @property
    def contact(self) -> Field:
        """Where the peer reaches us (RFC 3261 8.1.1.8)."""
        return CONTACT.field(contact_of(self.flow, self._target.startswith("sips:")))

    def request(self, method: str, more: tuple[Field, ...] = (), body: bytes = b"", kind: str = "") -> Request:
        """Make the next request, still without Via.

        :param more: further fields.
        :param body: its body, or none.
        :param kind: the body's Content-Type.
        """
        self.cseq += 1
        fields: list[Field] = [
            FROM.field(self._local),
            TO.field(self._remote),
            CALL_ID.field(self.call_id),
            CSEQ.field(f"{self.cseq} {method}"),
            MAX_FORWARDS.field(self._forwards),
            *more,
        ]
        if body:
            with_body(fields, kind, body)
        else:
            fields.append(NO_BODY)
        return Request(method, self._target, fields, body)
