"""Bans: when they begin, how long they last, whom they spare, and that no attacker fills the memory."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange import bans as module
from pbx.exchange.ban import Ban
from pbx.exchange.bans import CHALLENGE, FORGED, FORGIVE, MEMORY, Bans, source_of
from pbx.exchange.thresholds import Thresholds
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import MemoryBans

EVIL = ("UDP", "192.0.2.66", 5060)
STREAM = ("TCP", "192.0.2.66", 40000)
LIMITS = Thresholds(failures=4, requests_per_second=2, ban=60, longest_ban=4000)


class Door:
    """Bans, who is registered, and what was told."""

    def __init__(self, limits: Thresholds = LIMITS) -> None:
        self.clock = VirtualClock(1000.0)
        self.known: dict[tuple[str, str, int], str] = {}
        self.store = MemoryBans()
        self.banned_ones: list[Ban] = []
        self.rests: list[tuple[str, str, str]] = []
        self.bans = Bans(self.clock, self, limits, self.store, self)

    def account_at(self, transport: str, host: str, port: int) -> str:
        return self.known.get((transport, host, port), "")

    def is_trusted(self, transport: str, host: str, port: int) -> bool:
        return False

    def is_anybody_at(self, source: str) -> bool:
        return any(source_of(host) == source for _, host, _ in self.known)

    def banned(self, ban: Ban) -> None:
        self.banned_ones.append(ban)

    def rested(self, account: str, host: str, reason: str) -> None:
        self.rests.append((account, host, reason))

    def shut(self, peer=EVIL) -> bool:
        return self.bans.alert and self.bans.shuts_out(*peer)

    def fail(self, times: int, peer=EVIL, proven: bool = False) -> None:
        for _ in range(times):
            self.bans.failed(*peer, "wrong password", proven=proven)

    def bother(self, times: int, peer=EVIL) -> None:
        for _ in range(times):
            self.bans.bothered(*peer)


@pytest.fixture
def door() -> Door:
    return Door()


def test_one_failure_too_many_bans_for_a_minute(door):
    door.fail(4)
    assert not door.shut()
    door.fail(1)
    assert door.shut()
    assert door.banned_ones == [Ban("192.0.2.66", "wrong password", 1000.0, 1060.0, 0)]
    door.clock.advance(59.875)
    assert door.shut()
    door.clock.advance(0.125)
    assert not door.shut()


def test_one_failure_is_forgiven_a_minute(door):
    door.fail(4)
    for _ in range(100):
        door.clock.advance(FORGIVE)
        door.fail(1)
        assert not door.shut()
    door.fail(1)
    assert door.shut()


def test_source_that_comes_from_another_port_each_time_is_the_same_one(door):
    for port in range(1024, 1029):
        door.fail(1, ("UDP", "192.0.2.66", port), proven=True)
    assert door.shut(("UDP", "192.0.2.66", 40000)) and door.shut(("TCP", "192.0.2.66", 40000))


def test_datagrams_alone_never_ban_for_longer_than_a_minute(door):
    for _ in range(20):
        door.fail(5)
        door.bother(200)
        assert door.shut()
        door.clock.advance(FORGED)
        assert not door.shut()
    assert {ban.until - ban.since for ban in door.banned_ones} == {FORGED}
    assert {ban.times for ban in door.banned_ones} == {0}


def test_source_that_is_banned_for_the_thousandth_time_is_banned_as_the_last_time():
    door = Door(Thresholds(failures=4, ban=1, longest_ban=2))
    for _ in range(1000):
        door.fail(5, STREAM)
        assert door.shut(STREAM)
        door.clock.advance(2)
    assert door.banned_ones[-1].until - door.banned_ones[-1].since == 2


@pytest.mark.parametrize(("peer", "proven"), [(EVIL, True), (STREAM, False)])
def test_proven_failures_ban_for_five_times_as_long_each_time(door, peer, proven):
    for times, seconds in enumerate((60, 300, 1500, 4000, 4000), 1):
        door.fail(5, peer, proven)
        ban = door.banned_ones[-1]
        assert (ban.times, ban.until - ban.since) == (times, seconds)
        door.clock.advance(seconds - 0.125)
        assert door.shut()
        door.clock.advance(0.125)
        assert not door.shut()


def test_guesses_at_a_nonce_of_ours_bring_a_proven_ban_though_their_challenge_is_not_proven(door):
    door.bans.failed(*EVIL, "scan", CHALLENGE)
    for _ in range(4):
        door.fail(1, proven=True)
        door.clock.advance(0.0625)
    assert [ban.times for ban in door.banned_ones] == [1]


def test_a_week_without_a_ban_makes_the_next_one_a_first_one(door):
    door.fail(5, proven=True)
    door.clock.advance(60 + MEMORY)
    door.fail(5, proven=True)
    assert [ban.times for ban in door.banned_ones] == [1, 1]


def test_forged_failures_do_not_lengthen_what_a_proven_one_brings(door):
    door.fail(4)  # by whoever wants the owner of this address to be banned
    door.fail(1, proven=True)
    assert door.banned_ones[-1].times == 0
    door.clock.advance(60)
    assert not door.shut()


def test_datagrams_on_their_way_when_the_ban_began_do_not_change_it(door):
    door.fail(5, proven=True)
    door.fail(5)
    assert len(door.banned_ones) == 1
    # A minute's ban becomes a real one when somebody there proves that it was him.
    door = Door()
    door.fail(5)
    door.fail(5, STREAM)
    assert [ban.times for ban in door.banned_ones] == [0, 1]


def test_flood_is_half_a_minutes_requests_at_once(door):
    door.bother(60)
    assert not door.shut()
    door.bother(1)
    assert door.shut()
    assert door.banned_ones[-1].reason == "flood"
    assert door.banned_ones[-1].times == 0


def test_steady_requests_at_the_limit_are_no_flood(door):
    for _ in range(1000):
        door.bother(1)
        door.clock.advance(0.5)
    assert not door.banned_ones


def test_flood_over_a_connection_is_proven(door):
    door.bother(61, STREAM)
    assert door.banned_ones[-1].times == 1


def test_many_challenges_without_an_answer_are_a_scan(door):
    answered = ("UDP", "192.0.2.7", 5060)
    for _ in range(1000):
        door.bans.failed(*answered, "scan", CHALLENGE)
        door.bans.proven(*answered)
    assert not door.banned_ones
    for _ in range(round(4 / CHALLENGE) + 1):
        door.bans.failed(*EVIL, "scan", CHALLENGE)
    assert [ban.reason for ban in door.banned_ones] == ["scan"]


def test_right_password_takes_one_failure_back(door):
    door.fail(4)
    door.bans.proven(*EVIL)
    door.fail(1)
    assert not door.shut()
    door.fail(2)
    assert door.shut()


def test_right_passwords_earn_no_credit(door):
    for _ in range(100):
        door.bans.proven(*EVIL)
    door.fail(5)
    assert door.shut()


def test_registered_flow_passes_the_ban_of_its_address(door):
    phone = ("UDP", EVIL[1], 5062)
    door.known[phone] = "1001"
    door.fail(5, proven=True)
    assert door.shut()
    assert not door.shut(phone)
    assert door.shut(("TCP", EVIL[1], 5062))


def test_registered_flow_that_asks_too_much_rests_alone_and_for_a_second(door):
    phone = ("UDP", EVIL[1], 5062)
    door.known[phone] = "1001"
    door.bother(61, phone)
    assert door.shut(phone)
    assert not door.shut()
    assert door.rests == [("1001", EVIL[1], "requests")]
    assert not door.banned_ones
    door.clock.advance(1)
    assert not door.shut(phone)


def test_registered_flow_over_which_passwords_are_guessed_rests_for_a_minute(door):
    phone = ("UDP", EVIL[1], 5062)
    door.known[phone] = "1001"
    door.fail(100, phone)  # anybody could have sent these in its name
    assert not door.shut(phone)
    door.fail(5, phone, proven=True)
    assert door.shut(phone)
    door.clock.advance(FORGED)
    assert not door.shut(phone)


def test_extension_is_never_taken_for_an_address(door):
    phone = ("UDP", "198.51.100.1", 5060)
    door.known[phone] = EVIL[1]  # a number may look like one
    door.bother(61, phone)
    assert not door.shut()


def test_bans_that_nobody_passes_are_told_apart_and_every_change_is_told(door):
    changes: list[int] = []
    door.bans.changed = lambda: changes.append(1)
    door.known["UDP", "198.51.100.1", 5060] = "1001"
    door.fail(5, ("UDP", "198.51.100.1", 9))
    door.fail(5)
    door.fail(5, ("TCP", "2001:db8::1", 5060))
    assert [ban.address for ban in door.bans.unused(9)] == ["2001:db8::/64", "192.0.2.66"]
    assert [ban.address for ban in door.bans.unused(1)] == ["2001:db8::/64"]
    door.bans.remove("192.0.2.66")
    assert len(changes) == 4


def test_allowed_network_is_never_banned():
    door = Door(Thresholds(allow=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))))
    for peer in (EVIL, STREAM, ("TCP", "2001:db8::1", 5060)):
        door.fail(10_000, peer, proven=True)
        door.bother(10_000, peer)
        assert not door.shut(peer)
    door.fail(11, ("UDP", "198.51.100.1", 5060))
    assert [ban.address for ban in door.banned_ones] == ["198.51.100.1"]


def test_ban_is_not_taken_over_for_who_has_been_allowed_since(door):
    for peer in (EVIL, ("TCP", "2001:db8::1", 5060), ("UDP", "198.51.100.1", 9)):
        door.fail(5, peer, proven=True)
    later = Door(Thresholds(allow=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))))
    later.bans.restore(door.bans.listed())
    assert [ban.address for ban in later.bans.listed()] == ["198.51.100.1"]


def test_ipv6_is_banned_by_64(door):
    for n in range(5):
        door.fail(1, ("UDP", f"2001:db8:1:2::{n}", 5060))
    assert door.shut(("UDP", "2001:db8:1:2:ffff::9", 1))
    assert not door.shut(("UDP", "2001:db8:1:3::1", 5060))
    assert [ban.address for ban in door.bans.listed()] == ["2001:db8:1:2::/64"]


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:1::", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_source(host, source):
    assert source_of(host) == source


def test_removed_ban_is_forgotten_with_all_that_led_to_it(door):
    door.fail(5, proven=True)
    assert door.bans.remove("192.0.2.66")
    assert not door.shut()
    assert door.store.rows == {}
    assert not door.bans.remove("192.0.2.66")
    door.fail(4, proven=True)
    assert not door.shut()
    door.fail(1, proven=True)
    assert door.banned_ones[-1].times == 1


def test_ban_of_a_network_is_removed_by_any_address_of_it(door):
    door.fail(5, ("UDP", "2001:db8::5", 5060))
    assert door.bans.remove("2001:db8::77")
    door.fail(5, ("UDP", "2001:db8::5", 5060))
    assert door.bans.remove("2001:db8::/64")


def test_bans_survive_a_restart_and_so_does_how_often_it_was(door):
    door.fail(5, proven=True)
    again = Door()
    again.bans.restore(door.store.rows.values())
    assert again.shut()
    assert again.bans.listed() == door.bans.listed()
    again.clock.advance(60)
    assert not again.shut()
    again.fail(5, proven=True)
    assert again.banned_ones[-1].times == 2


def test_what_is_over_is_swept_out_here_and_in_the_store(door):
    door.fail(5)
    door.clock.advance(FORGED)
    door.bother(1, ("UDP", "192.0.2.1", 5060))
    assert door.store.rows == {}
    assert not door.bans.alert  # so that datagrams cost nothing again


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.sampled_from((0.0, 0.125, 30.0)), st.booleans()
        ),
        max_size=120,
    )
)
def test_memory_is_bounded_and_bans_are_lawful_whatever_comes(events):
    door = Door(Thresholds(failures=3, requests_per_second=1))
    sources, most = module.SOURCES, module.BANS
    module.SOURCES = module.BANS = 8  # type: ignore[attr-defined]
    try:
        for number, ipv6, proven, seconds, fails in events:
            host = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1" if ipv6 else f"10.0.{number & 3}.{number & 15}"
            peer = ("TCP" if proven else "UDP", host, number & 0xFFFF)
            if number % 5 == 0:
                door.known[peer] = f"{number % 3}"
            if fails:
                door.fail(4, peer)
            else:
                door.bother(40, peer)
            door.clock.advance(seconds)
            assert len(door.bans) <= 8 + 8 + 3
            assert {ban.address for ban in door.bans.listed()} <= set(door.store.rows)
            assert len(door.store.rows) <= 8
            for ban in door.bans.listed():
                assert ban.times or ban.until - ban.since <= FORGED
                assert door.bans.alert
    finally:
        module.SOURCES, module.BANS = sources, most  # type: ignore[attr-defined]


def test_proven_bans_are_the_last_to_be_forgotten(door, monkeypatch):
    monkeypatch.setattr(module, "BANS", 4)
    door.fail(5, STREAM)
    for n in range(50):
        door.fail(5, ("UDP", f"198.51.100.{n}", 5060))
    assert door.shut()
    assert len(door.bans.listed()) == 4
