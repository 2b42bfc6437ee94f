"""The office in which the flows happen, and the harness that repeats each of them with one datagram lost, doubled or
overtaken, for every datagram there is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from pbx.dialplan import Call, Plan, ext, room, uri
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.counts import count
from tests.flows.cuts import cut_everywhere
from tests.flows.lawful import assert_lawful

ACCOUNTS = {"1001": "alice's", "1002": "bob's", "1003": "carol's", "1004": "dave's"}
ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'  # why it rings no more where another has answered
KINDS = ("lose", "double", "overtake")
MOST = 200  # datagrams; a flow that sends more does not end
SEEDS = count(5, 200)
CUTS = count(23, 1)  # each so many-th byte that a flow sends is a place to cut; tests/conformance cuts at each

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("8<number:1XXX>")
async def patient(call: Call, number: str) -> None:
    """Ring for longer than a transaction waits for a sign of life."""
    await call.dial(ext(number), timeout=40)


@plan.internal("9<number:1XXX>")
async def attended(call: Call, number: str) -> None:
    """Answer before anybody rings."""
    await call.answer()
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def echo(call: Call) -> None:
    await call.echo()


@plan.internal("601")
async def team(call: Call) -> None:
    await call.dial(ext("1002"), ext("1003"), timeout=20)


@plan.internal("690")
async def meeting(call: Call) -> None:
    await call.conference(room("meeting"))


@plan.internal("691")
async def parking(call: Call) -> None:
    """Whoever is transferred here waits; whoever dials it has that call."""
    if call.transferred:
        await call.park("691")
    elif not await call.retrieve("691"):
        await call.reject(404)


@plan.internal("602")
async def outside(call: Call) -> None:
    await call.dial(uri("sip:zoe@10.0.9.9"), timeout=20)


@plan.internal("603")
async def declined(call: Call) -> None:
    await call.reject()


@plan.internal("604")
async def moved(call: Call) -> None:
    await call.redirect("sip:desk@example.org", uri("sip:desk@example.net:5070"))


@plan.internal("605")
async def broken(call: Call) -> None:
    raise RuntimeError("this plan is broken")


@plan.internal("608")
async def broken_late(call: Call) -> None:
    await call.answer()
    raise RuntimeError("this plan is broken")


@plan.internal("607")
async def one_after_the_other(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)
    await call.dial(ext("1003"), timeout=20)


@plan.internal("606")
async def answered(call: Call) -> None:
    await call.answer()
    await call.sleep(3600)


Flow = Callable[..., None]


def office(*numbers: str, plan: Plan[Any] = plan, **features: Any) -> tuple[SimulatedExchange, list[Phone]]:
    """An exchange with registered phones.

    :param features: see `SimulatedExchange`.
    """
    sim = SimulatedExchange(plan, ACCOUNTS, **features)
    phones = [sim.phone(number) for number in numbers]
    assert all(phone.registered for phone in phones)
    return sim, phones


def flow(*numbers: str, **features: Any) -> Callable[[Flow], Callable[[str], None]]:
    """Make a test of a flow: it is run without faults, then once for each of its datagrams and each kind of fault, and
    with faults at random. Each time it comes to the same end, and leaves nothing behind. What it sends could go over a
    stream, however that is cut.

    The flow is given the simulation and a registered phone for each number. Only what it sends itself is counted.

    :param features: see `office`.
    """

    def decorate(function: Flow) -> Callable[[str], None]:
        @pytest.mark.parametrize("fault", ("none", "cut", *KINDS, "random"))
        def test(fault: str) -> None:
            if fault in ("none", "cut"):
                run(function, numbers, features, {}, CUTS if fault == "cut" else 0)
            elif fault == "random":
                for faults in at_random(function.__name__):
                    run(function, numbers, features, faults)
            else:
                # The fault may cause more datagrams than there were: each of these has its turn, too.
                number, sent = 0, 1
                while number < sent:
                    sent = run(function, numbers, features, {fault: (number,)})
                    number += 1
                assert 1 < number < MOST

        test.flow = function  # type: ignore[attr-defined]
        test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
        return test

    return decorate


def at_random(name: str) -> Iterator[dict[str, Sequence[int]]]:
    """Faults at random, the same in every run: one datagram in ten, of each kind as often as of the others."""
    for seed in range(SEEDS):
        source = random.Random(f"{name} {seed}")
        struck = [number for number in range(MOST) if source.random() < 0.1]
        faults: dict[str, list[int]] = {kind: [] for kind in KINDS}
        for number in struck:
            faults[source.choice(KINDS)].append(number)
        yield faults


def run(
    function: Flow, numbers: Sequence[str], features: dict[str, Any], faults: dict[str, Sequence[int]], cuts: int = 0
) -> int:
    """Run a flow once, with faults; return how many datagrams were counted.

    :param cuts: see `cut_everywhere`; 0 for none.
    """
    sim, phones = office(*numbers, **features)
    sim.network.count_again(**faults)
    try:
        function(sim, *phones)
        sim.assert_idle()
        assert_lawful(sim)
        if cuts:
            cut_everywhere(sim, cuts)
    except BaseException as failure:
        failure.add_note(f"with {faults or 'no faults'}\n{sim.network.ladder()}")
        raise
    assert sim.network.count < MOST, sim.network.ladder()
    return sim.network.count


def run_anyhow(function: Flow, numbers: Sequence[str], loss: float, seed: int) -> None:
    """Run a flow in a network so bad that it need not come to its end: nothing is left behind all the same.

    :param loss: the share of datagrams that are lost.
    """
    sim, phones = office(*numbers)
    source = random.Random(seed)
    sim.network.count_again(lose=[number for number in range(1000) if source.random() < loss])
    with suppress(AssertionError):
        function(sim, *phones)
    for phone in sim.phones:
        if not phone.idle:
            phone.hangs_up()
    sim.assert_idle()
    assert_lawful(sim)
