"""A transaction layer, its user, and the one flow to its peer."""

from __future__ import annotations

from pbx.sip.identifiers import Identifiers
from pbx.sip.message import Request, Response
from pbx.sip.occupancy import TRANSACTIONS
from pbx.sip.transaction_layer import TransactionLayer
from pbx.testing.clock import VirtualClock
from tests.sip.wire import Wire, name, received, request


class Core:
    """One layer with its user: it writes down what it is told, and does what the test says."""

    def __init__(self, transactions: tuple[int, int] = TRANSACTIONS) -> None:
        self.clock = VirtualClock()
        self.wire = Wire(self.clock)
        self.layer = TransactionLayer(self.clock, Identifiers(), transactions)
        self.layer.user = self
        self.transactions: list = []
        self.told: list[str] = []
        self.does = lambda transaction, request: None

    def receive(self, *messages: Request | Response) -> None:
        for message in messages:
            self.layer.message_received(self.wire, message)

    def answers(self, status: int, tag: str = "ours") -> None:
        """Answer whatever comes, apart from ACK."""

        def answering(transaction, request):
            if transaction is not None:
                transaction.respond(request.response(status, "", tag))

        self.does = answering

    def raises(self, error: Exception) -> None:
        def raising(transaction, request):
            raise error

        self.does = raising

    def has_dialog(self, request) -> bool:
        return False

    def sends(self, method: str = "INVITE") -> Request:
        sent = Request(method, "sip:peer@192.0.2.9", [field for field in request(method).fields if field[0] != "via"])
        self.layer.request(self.wire, sent, self)
        return received(sent)

    def assert_idle(self) -> None:
        self.clock.advance(64)
        assert len(self.layer) == 0
        assert self.clock.pending == []

    def request_received(self, transaction, request) -> None:
        self.transactions.append(transaction)
        self.told.append(name(request))
        self.does(transaction, request)

    def ack_received(self, request) -> None:
        self.told.append("ACK")
        self.does(None, request)

    def response_received(self, response) -> None:
        self.told.append(name(response))

    def transaction_failed(self, method, status, reason) -> None:
        self.told.append(f"{status} {method} failed")

    def cancelled(self, cancel) -> None:
        self.told.append("cancelled")
