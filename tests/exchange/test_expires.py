"""How long a contact is registered for: `Expires`, its bounds, and 423 (RFC 3261 10.3 step 7)."""

from __future__ import annotations

import pytest

from tests.exchange.phones import HERE, THERE, Office, Phone, listed


def test_expires_of_the_contact_then_of_the_request_then_the_default(phone):
    foo, bar = "sip:1001@10.0.0.5", "sip:1001@10.0.0.6"
    response = phone.registers(f"Contact: <{foo}>;expires=1000, <{bar}>", "Expires: 2000")
    assert listed(response) == {foo: "1000", bar: "2000"}
    assert listed(phone.registers(f"Contact: <{foo}>, <{bar}>")) == {foo: "3600", bar: "3600"}


def test_expires_inside_the_angle_brackets_belongs_to_the_uri(phone):
    contact = "sip:c@10.0.0.5;expires=1800"
    assert listed(phone.registers(f"Contact: <{contact}>;expires=2970")) == {contact: "2970"}
    assert listed(phone.registers("Contact: sip:d@10.0.0.5;expires=1800"))["sip:d@10.0.0.5"] == "1800"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("60", "60"),
        ("7200", "7200"),
        ("7201", "7200"),
        ("1000000000", "7200"),
        ("4294967296", "7200"),
        ("9" * 5000, "7200"),
        ("", "3600"),
        ("soon", "3600"),
        ("-5", "3600"),
        ("1.5", "3600"),
        ("٦٠٠", "3600"),
        (" 600 ", "600"),
    ],
)
def test_expiry_is_bounded_and_nonsense_means_the_default(phone, asked, given):
    assert listed(phone.registers(f"Contact: <{HERE}>", f"Expires: {asked}")) == {HERE: given}


@pytest.mark.parametrize("parameter", ["expires", "expires=x", 'expires="600"'])
def test_malformed_expires_parameter_means_the_default_not_the_field(phone, parameter):
    assert listed(phone.registers(f"Contact: <{HERE}>;{parameter}", "Expires: 100")) == {HERE: "3600"}


@pytest.mark.parametrize("fields", [("Expires: 59",), ("Expires: 1",)])
def test_interval_too_brief_is_423_and_nothing_is_changed(office, phone, fields):
    phone.registers(f"Contact: <{HERE}>")
    response = phone.registers(f"Contact: <{THERE}>;expires=3000, <sip:x@10.0.0.7>", *fields)
    assert (response.status, response.first("min-expires")) == (423, "60")
    assert office.contacts() == [HERE]


def test_one_hour_is_never_too_brief(office):
    # RFC 3261 10.3 step 7: "smaller than one hour AND less than a registrar-configured minimum".
    office = Office(min_expires=7000, default_expires=7000)
    assert listed(Phone(office).registers(f"Contact: <{HERE}>;expires=3600")) == {HERE: "3600"}
    assert Phone(office).registers(f"Contact: <{HERE}>;expires=3599").first("min-expires") == "7000"


def test_bounds_are_those_of_the_configuration():
    phone = Phone(Office(min_expires=10, max_expires=100, default_expires=50))
    assert listed(phone.registers(f"Contact: <{HERE}>")) == {HERE: "50"}
    assert listed(phone.registers(f"Contact: <{HERE}>", "Expires: 10")) == {HERE: "10"}
    assert listed(phone.registers(f"Contact: <{HERE}>", "Expires: 101")) == {HERE: "100"}
