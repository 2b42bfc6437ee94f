"""What a simulated phone watches, such as the state that a lamp of it shows (RFC 6665), and what it has transferred."""

from __future__ import annotations

from pbx.sip.headers import Field
from pbx.sip.message import Request, Response
from pbx.sip.refer import Referrer
from pbx.sip.subscriber import TERMINATED, Subscriber
from pbx.testing.phone import Phone


class Watch:
    """A subscription of a phone.

    :param package: the event package.
    :param number: whose state it is.
    :param expires: seconds to ask for.
    :ivar states: the bodies of the NOTIFYs that came.
    :ivar told_at: when the last one did, in the clock's seconds.
    :ivar status: the last status that its SUBSCRIBEs were answered with; 0 when none came.
    :ivar fields: the header fields of that answer.
    :ivar over: why it is over; "" while it lasts.
    """

    def __init__(self, phone: Phone, package: str, number: str, expires: int = 3600) -> None:
        self.states: list[bytes] = []
        self.told_at = 0.0
        self.status = 0
        self.fields: list[Field] = []
        self.over = ""
        self._phone = phone
        self._target = phone.address_of(number)
        self._retried = False
        self._subscriber = Subscriber(phone.agent, self, (package, ""), phone.correspondence(number), expires)
        self._subscriber.subscribe(phone.credentials("SUBSCRIBE", self._target))

    def ends(self) -> None:
        """Watch no more."""
        self.over = self.over or "we left"
        self._subscriber.unsubscribe()

    def forgets(self) -> None:
        """Know nothing of it any more, as after a restart."""
        self._subscriber.forgo()

    # What the subscriber tells

    def subscription_accepted(self, subscriber: Subscriber, response: Response) -> None:
        """They took it."""
        self.status, self.fields = response.status, response.fields

    def subscription_refused(self, subscriber: Subscriber, response: Response) -> None:
        """They refused: once they may ask who we are."""
        self.status, self.fields = response.status, response.fields
        if response.status == 401 and not self._retried:
            self._retried = True
            self._phone.take_challenge(response.fields)
            subscriber.subscribe(self._phone.credentials("SUBSCRIBE", self._target))
        else:
            self.over = self.over or "refused"

    def subscription_notified(self, subscriber: Subscriber, notify: Request) -> None:
        """The state came."""
        self.states.append(notify.body)
        self.told_at = self._phone.agent.clock.seconds()
        if subscriber.state is TERMINATED:
            self.over = subscriber.reason

    def subscription_ended(self, subscriber: Subscriber, reason: str) -> None:
        """They are lost."""
        self.over = reason


class Transfer:
    """A REFER of a phone, in its call.

    :param target: the URI that the other side is to call.
    :ivar progress: the provisional statuses of that call, in order.
    :ivar status: its final status, or that with which the REFER was refused; 0 while there is none, or none is told.
    :ivar over: whether there is nothing more to hear.
    """

    def __init__(self, phone: Phone, target: str, more: tuple[Field, ...] = ()) -> None:
        self.progress: list[int] = []
        self.status = 0
        self.over = False
        call = phone.call
        assert call is not None and call.session is not None and call.session.dialog is not None
        Referrer(phone.agent, self, call.session.dialog).refer(target, more)

    def referral_progressed(self, referrer: Referrer, status: int, reason: str) -> None:
        """So far it is."""
        self.progress.append(status)

    def referral_refused(self, referrer: Referrer, response: Response) -> None:
        """They do not do it."""
        self.status, self.over = response.status, True

    def referral_ended(self, referrer: Referrer, status: int, reason: str) -> None:
        """The last news."""
        self.status, self.over = status, True
