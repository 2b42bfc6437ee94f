"""Bindings are refreshed, removed and asked for (RFC 3261 10.3 steps 6 to 8)."""

from __future__ import annotations

import pytest

from pbx.sip.headers import CONTACT
from tests.exchange.phones import HERE, THERE, Phone, listed, status

# Removal: FEATURES 25.


def test_expires_zero_removes_that_contact_only(office, phone):
    phone.registers(f"Contact: <{HERE}>, <{THERE}>")
    assert listed(phone.registers(f"Contact: <{HERE}>;expires=0")) == {THERE: "3600"}
    assert office.store.kept == [("1001", THERE)]
    assert listed(phone.registers(f"Contact: <{THERE}>", "Expires: 0")) == {}
    assert len(office.location) == 0 and office.store.rows == {}
    office.clock.advance(40)  # the transactions are over
    assert office.clock.pending == []


def test_removing_what_is_not_there_is_no_error(office, phone):
    assert listed(phone.registers(f"Contact: <{HERE}>;expires=0")) == {}
    assert office.store.told == []


def test_star_removes_all_of_the_extension(office, phone):
    phone.registers(f"Contact: <{HERE}>, <{THERE}>")
    other = Phone(office, "1002", call_id="other")
    other.registers("Contact: <sip:1002@10.0.0.9>")
    assert listed(phone.registers("Contact: *", "Expires: 0")) == {}
    assert office.contacts() == [] and office.contacts("1002") == ["sip:1002@10.0.0.9"]


@pytest.mark.parametrize(
    "fields",
    [
        ("Contact: *",),
        ("Contact: *", "Expires: 60"),
        ("Contact: *", "Expires: never"),
        ("Contact: *;expires=0",),
        ("Contact: *", f"Contact: <{HERE}>", "Expires: 0"),
        (f"Contact: <{HERE}>, *", "Expires: 0"),
        ("Contact: *", "Contact: *", "Expires: 0"),
    ],
)
def test_star_with_anything_else_is_400(office, phone, fields):
    phone.registers(f"Contact: <{HERE}>")
    assert status(phone.registers(*fields)) == 400
    assert office.contacts() == [HERE]


# Refresh: FEATURES 26 and 27, RFC 3261 10.3 steps 7 and 8.


def test_refresh_moves_the_expiry_and_keeps_the_first_registration(office, phone):
    phone.registers(f"Contact: <{HERE}>")
    start = office.clock.seconds()
    office.clock.advance(1800)
    assert listed(phone.registers(f"Contact: <{HERE}>")) == {HERE: "3600"}
    (binding,) = office.location.contacts("1001")
    assert (binding.expires_at, binding.registered_at, binding.cseq) == (start + 5400, start, 4)


@pytest.mark.parametrize(
    "fields",
    [
        (f"Contact: <{HERE}>",),
        (f"Contact: <{HERE}>;expires=0",),
        (f"Contact: <sip:new@10.0.0.9>, <{HERE}>",),
        ("Contact: *", "Expires: 0"),
    ],
)
@pytest.mark.parametrize("cseq", [7, 8])
def test_cseq_that_is_not_higher_under_the_same_call_id_is_500_and_changes_nothing(office, phone, fields, cseq):
    phone.registers(f"Contact: <{HERE}>, <{THERE}>", cseq=8)
    before, told = office.location.bindings(), office.store.told[:]
    assert status(phone.registers(*fields, cseq=cseq)) == 500
    assert (office.location.bindings(), office.store.told) == (before, told)
    assert status(phone.registers(*fields, cseq=9)) == 200


def test_reboot_takes_a_new_call_id_and_updates_the_binding(office, phone):
    phone.registers(f"Contact: <{HERE}>", cseq=500)
    again = Phone(office, call_id="boot2")
    assert listed(again.registers(f"Contact: <{HERE}>", cseq=1)) == {HERE: "3600"}
    (binding,) = office.location.contacts("1001")
    assert (binding.call_id, binding.cseq) == ("boot2", 1)


def test_equivalent_contact_is_the_same_binding_as_written_last(office, phone):
    phone.registers("Contact: <sip:1001@10.0.0.5;transport=udp>")
    phone.registers("Contact: <sip:%31001@10.0.0.5;Transport=UDP>")
    assert office.contacts() == ["sip:%31001@10.0.0.5;transport=UDP"]
    assert office.store.kept == [("1001", "sip:%31001@10.0.0.5;transport=UDP")]
    phone.registers("Contact: <sip:1001@10.0.0.5:5060;transport=udp>")
    assert len(office.contacts()) == 2


def test_same_contact_twice_in_one_request_is_one_binding(phone):
    response = phone.registers(f"Contact: <{HERE}>;expires=100, <{HERE}>;expires=200")
    assert listed(response) == {HERE: "200"}


def test_phone_that_moves_is_reached_at_its_new_address(office, phone):
    phone.registers(f"Contact: <{HERE}>")
    phone.wire.remote = ("203.0.113.9", 4000)
    phone.registers(f"Contact: <{HERE}>")
    (binding,) = office.location.contacts("1001")
    assert (binding.remote_host, binding.remote_port) == ("203.0.113.9", 4000)


def test_two_phones_of_one_extension_are_two_bindings(office, phone):
    phone.registers(f"Contact: <{HERE}>")
    response = Phone(office, call_id="second").registers(f"Contact: <{THERE}>")
    assert listed(response) == {HERE: "3600", THERE: "3600"}


def test_query_lists_all_and_changes_nothing(office, phone):
    phone.registers(f"Contact: <{HERE}>;q=0.5, <{THERE}>")
    office.clock.advance(100)
    before, told = office.location.bindings(), office.store.told[:]
    response = phone.registers()
    assert listed(response) == {THERE: "3500", HERE: "3500"}
    assert [address.parameters["q"] for address in response.many(CONTACT)] == ["1", "0.5"]
    assert (office.location.bindings(), office.store.told) == (before, told)
