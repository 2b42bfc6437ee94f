"""Flows that others have published, each over UDP, TCP and TLS, without faults and then with one for each message there
is: over UDP it is lost, doubled or overtaken; of a connection it is the last one, or torn in the middle. What went over
each connection is read once more, cut in two at every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.cuts import cut_everywhere
from tests.flows.lawful import assert_lawful
from tests.flows.office import ACCOUNTS, KINDS, MOST, plan

FAULTS = {"UDP": KINDS, "TCP": ("reset", "tear", "cut"), "TLS": ("reset", "tear")}
CASES = [(transport, fault) for transport, faults in FAULTS.items() for fault in ("none", *faults)]

Flow = Callable[..., None]


def flow(*numbers: str, plan: Any = plan, register: bool = True) -> Callable[[Flow], Flow]:
    """Make a test of a flow, which comes to the same end each time, and leaves nothing behind.

    The flow is given the simulation and a phone for each number.

    :param plan: the dialplan; by default that of the office.
    :param register: whether the phones are registered before.
    """

    def decorate(function: Flow) -> Flow:
        @pytest.mark.parametrize(("transport", "fault"), CASES, ids=map("-".join, CASES))
        def test(transport: str, fault: str) -> None:
            def set_up() -> tuple[Any, ...]:
                sim = SimulatedExchange(plan, ACCOUNTS)
                phones = [sim.phone(number, register=register, transport=transport) for number in numbers]
                assert all(phone.registered is register for phone in phones)
                return sim, *phones

            repeat(function, set_up, fault)

        return named(test, function)

    return decorate


def between(set_up: Callable[[str], tuple[Any, ...]]) -> Callable[[Flow], Flow]:
    """Make a test of a flow in which others take part than one exchange and its phones.

    :param set_up: makes what the flow is given, over a transport: the simulation, and phones.
    """

    def decorate(function: Flow) -> Flow:
        @pytest.mark.parametrize(("transport", "fault"), CASES, ids=map("-".join, CASES))
        def test(transport: str, fault: str) -> None:
            repeat(function, lambda: set_up(transport), fault)

        return named(test, function)

    return decorate


def named(test: Flow, function: Flow) -> Flow:
    """The test, under the name of its flow."""
    test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
    return test


def repeat(function: Flow, set_up: Callable[[], tuple[Any, ...]], fault: str) -> None:
    """Run a flow once without faults, or else once for each message that this fault can strike."""
    if fault in ("none", "cut"):
        sim, *others = set_up()
        run(function, sim, *others, faults={})
        if fault == "cut":
            cut_everywhere(sim)
        return
    # The fault may cause more messages than there were: each of these has its turn, too.
    number, sent = 0, 1
    while number < sent:
        sent = run(function, *set_up(), faults={fault: (number,)})
        number += 1
    assert 1 < number < MOST


def run(function: Flow, sim: SimulatedExchange, *phones: Phone, faults: Mapping[str, Collection[int]]) -> int:
    """Run a flow once; return how many messages were counted."""
    sim.network.count_again(**faults)
    try:
        function(sim, *phones)
        sim.assert_idle()
        assert_lawful(sim)
    except BaseException as failure:
        failure.add_note(f"with {dict(faults) or 'no faults'}\n{sim.network.ladder()}")
        raise
    return sim.network.count


def names_of(tests: Mapping[str, object]) -> set[str]:
    """The sections that the tests of a module are named for: "3.1" for `test_3_1_...`."""
    words = [name.split("_") for name in tests if name.startswith("test_")]
    return {f"{found[1]}.{found[2]}" for found in words if found[1].isdigit()}
