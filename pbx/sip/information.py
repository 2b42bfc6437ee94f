"""Requests within a call that are not about the call: INFO (RFC 6086) and MESSAGE (RFC 3428).

They carry something to the other end and want to know whether it was taken. No Info Package is ours to receive; what
comes without one is INFO as RFC 2976 had it, and means what both ends have agreed upon.
"""

from __future__ import annotations

from pbx.sip.dialog import Dialog
from pbx.sip.errors import Refused
from pbx.sip.headers import INFO_PACKAGE, RECV_INFO, Field
from pbx.sip.message import Request, Response
from pbx.sip.status import reason_of
from pbx.sip.transaction_layer import ServerTransaction, TransactionLayer

_NO_PACKAGES = RECV_INFO.field("")

# What would end the sender's dialog or session, though it tells of the other one (RFC 5057 5.1); challenges are ours
# to answer and not the sender's, and a 503 would say that we are overloaded (RFC 3261 16.7).
_KEPT_BACK = frozenset((401, 404, 405, 407, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 503, 604))


class Information:
    """One such request, until it is answered.

    :raises Refused: 469 when it belongs to an Info Package (RFC 6086 4.2.2).
    :ivar method: INFO or MESSAGE.
    :ivar fields: its header fields.
    :ivar body: what it carries.
    """

    __slots__ = ("_tag", "_transaction", "body", "fields", "method")

    def __init__(self, transaction: ServerTransaction, request: Request) -> None:
        if request.method == "INFO" and request.one(INFO_PACKAGE) is not None:
            raise Refused(469, _NO_PACKAGES)
        self.method = request.method
        self.fields = request.fields
        self.body = request.body
        self._transaction = transaction
        self._tag = request.to_tag

    def answer(self, status: int, reason: str = "", more: tuple[Field, ...] = ()) -> None:
        """Answer it; once."""
        transaction = self._transaction
        transaction.respond(transaction.request.response(status, reason, self._tag, more))

    def pass_on(self, layer: TransactionLayer, dialog: Dialog, more: tuple[Field, ...]) -> None:
        """Send it in another dialog; the answer there is the answer here.

        :param more: those of its fields that may go with it.
        """
        kind = next((value for key, _, value in self.fields if key == "content-type"), "")
        layer.request(dialog.flow, dialog.request(self.method, more, self.body, kind), self)

    def response_received(self, response: Response) -> None:
        """The other end answered."""
        status = response.status
        if status >= 200:
            words = f"the other side says {status} {reason_of(status)}"
            if status in _KEPT_BACK:
                self.answer(500, words)
            else:
                accepted = tuple([field for field in response.fields if field[0].startswith("accept")])
                self.answer(status, response.reason, accepted)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """The other end did not answer: then the sender has given up, too."""
        self.answer(500, reason)
