from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from pbx.exchange.sound_watch import SoundWatch
from tests.media.network import Exchange, port


class Silent:
    """A party whose keys nobody wants."""

    pressed = None


def test_a_phone_from_which_nothing_comes_is_one_line_that_says_where_it_was_looked_for():
    exchange = Exchange()
    alice, bob = exchange.phone("192.168.1.93"), exchange.phone("2001:db8::2")
    caller, callee = exchange.call(alice, bob)
    caller.user, callee.user = SoundWatch("c1", "caller", Silent()), SoundWatch("c1", "callee", Silent())
    with capturedLogs() as events:
        port(caller).time_passed(exchange.clock.seconds() + 60)
        port(callee).time_passed(exchange.clock.seconds() + 60)
        alice.says(port(caller), source=("203.0.113.5", 61000))
        exchange.clock.advance(1)
        alice.says(port(caller), source=("203.0.113.5", 61000))
        port(caller).time_passed(exchange.clock.seconds() - 0.5)
    assert [formatEvent(event) for event in events] == [
        "call c1: no audio comes from the caller: its SDP says 192.168.1.93:4000, it was heard from nowhere",
        "call c1: no audio comes from the callee: its SDP says nowhere, it was heard from nowhere",
        "call c1: audio comes from the caller again, from 203.0.113.5:61000",
    ]
