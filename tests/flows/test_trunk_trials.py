"""Certificates that name a trunk, and what a trial of a trunk says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.exchange.trial import Trial
from tests.flows.trunks import ACME, office


class Certified:
    """A flow whose peer has a certificate."""

    transport = "TLS"
    remote = ("10.7.7.7", 40_000)

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)


def test_certificate_of_its_domain_proves_a_trunk():
    sim = office(replace(ACME, host="acme.example", addresses=()))
    trunks = sim.exchange.trunks
    assert [link.trunk.name for link in trunks._at(Certified("acme.example"))] == ["acme"]
    assert not trunks._at(Certified("us@acme.example", "other.example"))
    sim.assert_idle()


def tried(sim) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    Trial(sim.exchange.trunks.links["acme"], sim.clock).start().addCallback(found.extend)
    sim.until(lambda: found, within=9)
    return found


def test_trial_of_a_good_trunk_says_that_it_is():
    sim = office(replace(ACME, register=True, username="us", password="ours"))
    sim.trunk("acme").challenges()
    sim.until(lambda: sim.trunk("acme").registered)
    rows = tried(sim)
    assert {row["what"]: row["works"] for row in rows} == {"REGISTER": True, "OPTIONS": True}
    assert "acme is registered as sip:us@10.9.1.1 at sip:10.9.1.1" in [row["sentence"] for row in rows]
    sim.assert_idle()


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_trial_names_the_remedy_for_a_refusal(status):
    sim = office(replace(ACME, register=True, username="us", password="ours"))
    sim.trunk("acme").refuses_registration(status)
    sim.advance(2)
    (refused,) = [row for row in tried(sim) if row["what"] == "REGISTER"]
    assert refused["works"] is False
    assert str(refused["sentence"]).startswith(f"acme refuses to register us: {status} ")
    sim.assert_idle()


def test_trial_of_a_silent_trunk_ends():
    sim = office(replace(ACME, register=True, username="us", password="ours"))
    rows = tried(sim)
    assert [(row["what"], row["works"]) for row in rows] in (
        [("OPTIONS", None), ("REGISTER", False)],
        [("REGISTER", False), ("OPTIONS", None)],
    )
    sim.assert_idle()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"enabled": False}, "acme is disabled; enable it with `pbx trunk set acme --enable`"),
        ({"trouble": "the key file is lost; restore it"}, "the key file is lost; restore it"),
    ],
)
def test_trial_of_what_cannot_be_used_says_why(change, sentence):
    sim = office(replace(ACME, **change))
    (row,) = tried(sim)
    assert (row["what"], row["works"], row["sentence"]) == ("settings", False, sentence)
    sim.assert_idle()
