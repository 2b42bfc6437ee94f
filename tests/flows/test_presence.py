"""Presence: who can be reached, and what he says of himself (RFC 3856, RFC 3903), on a network with faults."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pbx.exchange.accounts import Accounts
from pbx.exchange.presence import KIND, LONGEST
from pbx.sip.headers import EVENT, EXPIRES, SIP_IF_MATCH
from pbx.testing.watch import Watch
from tests.flows.office import flow, office

PIDF = "{urn:ietf:params:xml:ns:pidf}"
RPID = "{urn:ietf:params:xml:ns:pidf:rpid}"
PERSON = "{urn:ietf:params:xml:ns:pidf:data-model}person"
AWAY = """<?xml version="1.0"?><p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:bob@example.com"
 xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid">
 <p:tuple id="t1"><p:status><p:basic>closed</p:basic></p:status></p:tuple>
 <p:note xml:lang="fr">déjeuner</p:note>
 <dm:person id="me"><rpid:activities><rpid:meal/></rpid:activities></dm:person></p:presence>""".encode()


def presence(basic: str, note: str = "") -> bytes:
    said = f"<note>{note}</note>" if note else ""
    return (
        f'<presence xmlns="{PIDF[1:-1]}" entity="pres:bob@example.com"><tuple id="t1"><status><basic>{basic}</basic>'
        f"</status></tuple>{said}</presence>"
    ).encode()


def publishes(phone, body=b"", expires=3600, tag="", number="", event="presence", kind=KIND):
    """Say something of oneself."""
    more = (EVENT.field(event), EXPIRES.field(expires), *((SIP_IF_MATCH.field(tag),) if tag else ()))
    return phone.asks("PUBLISH", number or phone.number, more, body, kind)


def basics(watch) -> list[str]:
    """What the last document says."""
    if not watch.states:
        return []
    return [element.text or "" for element in ElementTree.fromstring(watch.states[-1]).iter(f"{PIDF}basic")]


def over(sim, *watches):
    """Nobody looks any more."""
    for watch in watches:
        watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)


@flow("1001", "1002")
def test_who_has_a_phone_is_open_and_who_has_none_is_closed(sim, alice, bob):
    watch = Watch(alice, "presence", "1002")
    sim.until(lambda: basics(watch) == ["open"])
    bob.registers(0)
    sim.until(lambda: basics(watch) == ["closed"])
    bob.registers()
    sim.until(lambda: basics(watch) == ["open"])
    over(sim, watch)


@flow("1001", "1002")
def test_what_somebody_says_of_himself_counts_until_he_takes_it_back(sim, alice, bob):
    watch = Watch(alice, "presence", "1002")
    sim.until(lambda: basics(watch) == ["open"])
    reply = publishes(bob, AWAY)
    sim.until(lambda: basics(watch) == ["closed"] and reply.status)
    root = ElementTree.fromstring(watch.states[-1])
    assert root.findtext(f"{PIDF}note") == "déjeuner"
    assert root.find(f"{PERSON}/{RPID}activities/{RPID}meal") is not None
    again = publishes(bob, presence("open", "back"), tag=reply.field("sip-etag"))
    sim.until(lambda: basics(watch) == ["open"] and again.status)
    assert again.status == 200
    last = publishes(bob, expires=0, tag=again.field("sip-etag"))
    sim.until(lambda: last.status and b"back" not in watch.states[-1])
    assert (last.status, basics(watch)) == (200, ["open"])
    over(sim, watch)


def activities(watch) -> list[str]:
    """What the last document says that he does."""
    found = ElementTree.fromstring(watch.states[-1]).iter(f"{RPID}activities") if watch.states else ()
    return [one.tag.removeprefix(RPID) for element in found for one in element]


@flow("1001", "1002", "1003")
def test_who_is_in_a_call_is_on_the_phone_as_long_as_that_lasts(sim, alice, bob, carol):
    watch = Watch(alice, "presence", "1002")
    sim.until(lambda: basics(watch) == ["open"])
    assert activities(watch) == []
    carol.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: activities(watch) == ["on-the-phone"])
    assert ElementTree.fromstring(watch.states[-1]).findtext(f"{PIDF}note") == "On the phone"
    assert basics(watch) == ["open"]
    carol.hangs_up()
    sim.until(lambda: activities(watch) == [] and bob.idle)
    assert b"On the phone" not in watch.states[-1]
    over(sim, watch)


def test_who_only_rings_is_not_on_the_phone_and_who_dials_is():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    watches = [Watch(alice, "presence", number) for number in ("1002", "1003")]
    sim.until(lambda: all(watch.states for watch in watches))
    carol.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(8)
    assert [activities(watch) for watch in watches] == [[], ["on-the-phone"]]
    assert len(watches[0].states) == 1
    carol.hangs_up()
    sim.advance(8)
    assert [activities(watch) for watch in watches] == [[], []]
    over(sim, *watches)
    sim.assert_idle()


def test_who_is_on_the_phone_still_is_what_he_says():
    sim, (alice, bob, _carol) = office("1001", "1002", "1003")
    watch = Watch(alice, "presence", "1002")
    reply = publishes(bob, AWAY, expires=600)
    sim.until(lambda: reply.status == 200 and basics(watch) == ["closed"])
    bob.invites("1003")
    sim.until(lambda: "on-the-phone" in activities(watch))
    assert activities(watch) == ["meal", "on-the-phone"] and basics(watch) == ["closed"]
    assert ElementTree.fromstring(watch.states[-1]).findtext(f"{PIDF}note") == "déjeuner"
    bob.hangs_up()
    sim.until(lambda: activities(watch) == ["meal"])
    # A phone that says it of itself says it once.
    publishes(bob, AWAY.replace(b"<rpid:meal/>", b"<rpid:on-the-phone/>"), expires=600, tag=reply.field("sip-etag"))
    bob.invites("1003")
    sim.advance(8)
    assert activities(watch) == ["on-the-phone"]
    bob.hangs_up()
    sim.advance(8)
    assert activities(watch) == ["on-the-phone"]
    over(sim, watch)
    sim.advance(600)
    sim.assert_idle()


def test_what_is_not_refreshed_expires():
    sim, (alice, bob) = office("1001", "1002")
    watch = Watch(alice, "presence", "1002")
    reply = publishes(bob, presence("closed"), expires=60)
    sim.until(lambda: basics(watch) == ["closed"])
    sim.advance(40)
    again = publishes(bob, expires=60, tag=reply.field("sip-etag"))
    sim.advance(40)
    assert (again.status, basics(watch)) == (200, ["closed"])
    sim.until(lambda: basics(watch) == ["open"], within=40)
    over(sim, watch)
    sim.assert_idle()


def test_several_publishers_stand_side_by_side_the_last_one_first():
    sim, (alice, bob, desk) = office("1001", "1002", "1002")
    watch = Watch(alice, "presence", "1002")
    for phone, said in ((bob, AWAY), (desk, presence("open", "at the desk"))):
        reply = publishes(phone, said, expires=60)
        sim.until(lambda reply=reply: reply.status == 200)
    sim.until(lambda: basics(watch) == ["open", "closed"])
    root = ElementTree.fromstring(watch.states[-1])
    assert [element.get("id") for element in root] == ["p1-t1", "p2-t1", None, None, "p2-me"]
    assert [element.tag for element in root] == [f"{PIDF}tuple"] * 2 + [f"{PIDF}note"] * 2 + [PERSON]
    over(sim, watch)
    sim.advance(60)
    sim.assert_idle()


def test_who_has_no_phone_is_closed_whatever_he_has_published():
    sim, (alice, bob) = office("1001", "1002")
    publishes(bob, presence("open", "in Rome"), expires=60)
    sim.advance(1)
    bob.registers(0)
    sim.advance(1)
    watch = Watch(alice, "presence", "1002")
    sim.until(lambda: basics(watch) == ["closed"])
    assert b"in Rome" in watch.states[-1]
    over(sim, watch)
    sim.advance(60)
    sim.assert_idle()


def test_no_document_grows_beyond_its_limit():
    sim, (alice, bob) = office("1001", "1002")
    for text in ("old", "new"):
        reply = publishes(bob, presence("open", text + "x" * (LONGEST // 2)), expires=60)
        sim.until(lambda reply=reply: reply.status == 200)
    watch = Watch(alice, "presence", "1002")
    sim.until(lambda: watch.states)
    assert b"newx" in watch.states[-1] and b"oldx" not in watch.states[-1]
    over(sim, watch)
    sim.advance(60)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"body": b"<presence"}, 400),
        ({"body": b"nonsense"}, 400),
        ({"body": b"<a/>"}, 400),
        ({"body": b'<presence xmlns="urn:other"/>'}, 400),
        ({"body": b'<!DOCTYPE p [<!ENTITY a "aaaa">]>' + presence("open", "&a;")}, 400),
        ({"body": presence("open", "<b>" * 4000 + "</b>" * 4000)}, 413),
        ({"body": presence("open", "<b>" * 1000 + "</b>" * 1000)}, 400),
        ({"body": presence("open", "x" * 17_000)}, 413),
        ({"body": presence("open"), "kind": "text/xml"}, 415),
        ({"body": presence("open"), "expires": 30}, 423),
        ({"body": presence("open"), "tag": "nobodys"}, 412),
        ({"tag": "nobodys"}, 412),
        ({"body": presence("open"), "event": "mood"}, 489),
        ({"body": presence("open"), "number": "1002"}, 403),
        ({}, 400),
    ],
)
def test_what_is_no_presence_is_refused(more, status):
    sim, (alice,) = office("1001")
    reply = publishes(alice, **more)
    sim.until(lambda: reply.status)
    assert reply.status == status
    if status == 423:
        assert reply.field("min-expires") == "60"
    sim.assert_idle()


def test_presence_of_nobody_is_404_and_of_who_is_removed_ends():
    sim, (alice, bob) = office("1001", "1002")
    nobody, watch = Watch(alice, "presence", "1999"), Watch(alice, "presence", "1002")
    reply = publishes(bob, presence("open"))
    sim.until(lambda: nobody.over and watch.states and reply.status)
    assert nobody.status == 404
    alone = sim.exchange.directory.find("1001")
    sim.exchange.replace_accounts(Accounts([alone]))
    sim.until(lambda: watch.over)
    assert watch.over == "noresource"
    over(sim, watch)
    sim.assert_idle()
