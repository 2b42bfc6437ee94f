"""The relay is asked anything in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import Deferred

from pbx.media.errors import NoPorts
from pbx.sip.errors import Malformed
from tests.counts import count
from tests.media.network import AUDIO, VIDEO, Exchange, result

LINES = st.sampled_from(
    [
        AUDIO,
        AUDIO + VIDEO,
        AUDIO + "m=video 0 RTP/AVP 31\r\n",
        "m=audio {} RTP/AVP 8\r\n",
        "m=image 5 udptl t38\r\n",
        "",
    ]
)


class AnyOrder(RuleBasedStateMachine):
    """Whatever is done in whatever order: only `Malformed` and `NoPorts` come back, and no port is ever lost."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange(pairs=7)
        self.phone = self.exchange.phone("198.51.100.1")
        self.sides = [self.exchange.side() for _ in range(3)]

    def _try(self, work: Deferred[Any]) -> None:
        try:
            result(work)
        except (Malformed, NoPorts):
            pass

    @rule(one=st.integers(0, 2), step=st.integers(1, 2), lines=LINES)
    def offer(self, one: int, step: int, lines: str) -> None:
        offerer, answerer = self.sides[one], self.sides[(one + step) % 3]
        self._try(self.exchange.relay.offer(offerer, answerer, self.phone.describes(lines)))

    @precondition(lambda self: any(side.offer for side in self.sides))
    @rule(lines=LINES, which=st.integers(0, 2))
    def answer(self, lines: str, which: int) -> None:
        asked = [side for side in self.sides if side.offer is not None]
        side = asked[which % len(asked)]
        assert side.offer is not None
        body = self.phone.describes(lines)
        if side.offer.offerer is None:
            self._try(self.exchange.relay.set_remote(side, body))
        elif not side.offer.offerer.closed:
            self._try(self.exchange.relay.answer(side, side.offer.offerer, body))

    @rule(which=st.integers(0, 2), lines=st.none() | LINES)
    def end(self, which: int, lines: str | None) -> None:
        self._try(self.exchange.relay.end(self.sides[which], None if lines is None else self.phone.describes(lines)))

    @rule(which=st.integers(0, 2), other=st.integers(0, 2))
    def join(self, which: int, other: int) -> None:
        self.exchange.relay.join(self.sides[which], self.sides[other])

    @rule(which=st.integers(0, 2))
    def withdraw(self, which: int) -> None:
        self.exchange.relay.withdraw(self.sides[which])

    @rule(which=st.integers(0, 2))
    def close(self, which: int) -> None:
        self.exchange.relay.close(self.sides[which])
        self.sides[which] = self.exchange.side()

    @rule(which=st.integers(0, 2))
    def speak(self, which: int) -> None:
        for found in self.sides[which].ports:
            if found is not None:
                self.phone.says(found)
                self.phone.reports_to(found)

    @invariant()
    def every_port_belongs_to_a_side(self) -> None:
        ports = [found for side in self.sides for found in side.ports if found is not None]
        assert self.exchange.relay.ports_in_use == 2 * len(ports)

    @invariant()
    def only_agreed_ports_have_a_sink(self) -> None:
        assert not [found for side in self.sides for found in side.ports if found and found.sink and not found.agreed]

    @invariant()
    def pending_offers_are_counted(self) -> None:
        for side in self.sides:
            made_to_it = side.offer is not None and side.offer.pending
            made_by_it = sum(
                other.offer is not None and other.offer.pending and other.offer.offerer is side for other in self.sides
            )
            assert side.open_offers >= made_to_it + made_by_it

    def teardown(self) -> None:
        for side in self.sides:
            self.exchange.relay.close(side)
        assert self.exchange.relay.ports_in_use == 0


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=count(100, 2_000), stateful_step_count=30, deadline=None)
