"""What answers tell those who ask: neither which accounts there are, nor what we are."""

from __future__ import annotations

import re

from pbx.sip.message import Response
from tests.flows.doors import permit, plan
from tests.flows.office import ACCOUNTS, office
from tests.flows.raw import Raw


def test_answers_to_all_who_fail_differ_only_in_nonce_and_tags():
    sim, (alice,) = office("1001", plan=plan)
    permit(sim, "1004", enabled=False)
    answers = set()
    for number, password in (("1001", "wrong"), ("9999", "wrong"), ("1004", ACCOUNTS["1004"]), ("1004", "wrong")):
        phone = sim.phone(number, password=password, host=f"10.0.5.{len(sim.phones)}", register=False)
        before = len(sim.network.sent)
        computations = sim.exchange.authenticator.computations
        phone.registers()
        sim.advance(1)
        assert sim.exchange.authenticator.computations == computations + 1
        packets = [d.packet.decode() for d in sim.network.sent[before:] if d.target == phone.address]
        assert len(packets) == 2
        for packet in packets:
            shown = re.sub(r'nonce="[^"]*"|tag=\w+|branch=\S+|Call-ID: \S+|\d+ REGISTER|10\.0\.5\.\d', "", packet)
            answers.add(shown.replace(number, "N"))
        phone.leaves()
    assert len(answers) == 1
    assert alice.registered
    sim.assert_idle()


def test_options_tell_at_most_a_name():
    sim, _ = office("1001", plan=plan)
    zoe = Raw(sim)
    zoe.sends("OPTIONS", "sip:100@10.0.0.1")
    zoe.sends("OPTIONS", "sip:1001@10.0.0.1", branch="z9hG4bK2", call_id="2")
    sim.advance(1)
    assert [response.first("server") for response in zoe.responses] == ["PBX", "PBX"]
    assert all(isinstance(response, Response) and response.first("user-agent") is None for response in zoe.responses)
    zoe.close()
    sim.assert_idle()
