"""GRUUs: given in a 200, understood when they are called, and no longer good than RFC 5627 has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange.gruu import PREFIX
from pbx.sip.headers import CONTACT
from pbx.sip.message import Response
from pbx.sip.uri import Uri, parse_uri
from tests.exchange.phones import Office, Phone

DESK = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
CONTACT_FIELD = f'Contact: <sip:1001@10.0.0.5>;+sip.instance="<{DESK}>"'


def gruus(response: Response) -> tuple[str, str]:
    """The public and the temporary one of the only contact of a 200."""
    assert response.status == 200
    (listed,) = response.many(CONTACT)
    return tuple((listed.parameters[name] or "").strip('"') for name in ("pub-gruu", "temp-gruu"))


def test_phone_that_asks_is_given_both(phone):
    public, temporary = gruus(phone.registers(CONTACT_FIELD, "Supported: gruu"))
    assert public == f"sip:1001@example.com;gr={DESK}"
    assert temporary.startswith(f"sip:{PREFIX}") and temporary.endswith("@example.com;gr")
    assert "1001" not in temporary and DESK not in temporary


def test_phone_that_does_not_ask_or_has_no_instance_is_given_none(office, phone):
    for fields in ((CONTACT_FIELD,), ("Contact: <sip:1001@10.0.0.5>", "Supported: gruu")):
        phone.registers("Contact: *", "Expires: 0")
        (listed,) = phone.registers(*fields).many(CONTACT)
        assert "pub-gruu" not in listed.parameters and "temp-gruu" not in listed.parameters


def test_both_mean_the_phone(office, phone):
    for gruu in gruus(phone.registers(CONTACT_FIELD, "Supported: gruu")):
        assert office.gruus.resolve(parse_uri(gruu)) == ("1001", DESK)
    assert office.gruus.resolve(parse_uri("sip:1001@example.com")) == ("1001", "")


def test_temporary_ones_differ_and_all_are_good_while_the_call_id_is_the_same(office, phone):
    given_ones = [gruus(phone.registers(CONTACT_FIELD, "Supported: gruu"))[1] for _ in range(3)]
    assert len(set(given_ones)) == 3
    assert all(office.gruus.resolve(parse_uri(gruu)) == ("1001", DESK) for gruu in given_ones)


def test_temporary_one_ends_with_the_call_id_or_the_registration_and_the_public_one_does_not(office, phone):
    public, temporary = gruus(phone.registers(CONTACT_FIELD, "Supported: gruu"))
    again = Phone(office, call_id="rebooted")
    _, newer = gruus(again.registers(CONTACT_FIELD, "Supported: gruu"))
    assert office.gruus.resolve(parse_uri(temporary)) == ("", "")
    assert office.gruus.resolve(parse_uri(newer)) == ("1001", DESK)
    again.registers("Contact: *", "Expires: 0")
    assert office.gruus.resolve(parse_uri(newer)) == ("", "")
    assert office.gruus.resolve(parse_uri(public)) == ("1001", DESK)


def test_temporary_one_outlives_a_restart(office, phone):
    _, temporary = gruus(phone.registers(CONTACT_FIELD, "Supported: gruu"))
    after = Office(store=office.store)
    assert after.gruus.resolve(parse_uri(temporary)) == ("", "")
    after.registrar.restore(list(office.store.rows.values()))
    assert after.gruus.resolve(parse_uri(temporary)) == ("1001", DESK)


def test_sealed_one_that_was_tampered_with_means_nothing(office, phone):
    _, temporary = gruus(phone.registers(CONTACT_FIELD, "Supported: gruu"))
    user = parse_uri(temporary).user
    for place in range(len(PREFIX), len(user), 7):
        other = "A" if user[place] != "A" else "B"
        forged = Uri("sip", user[:place] + other + user[place + 1 :], "example.com", None, {"gr": None})
        assert office.gruus.resolve(forged) == ("", "")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300))
def test_whatever_is_called_as_a_temporary_one_is_no_fault_of_ours(text):
    office = Office()
    for user in (text, PREFIX + text):
        assert office.gruus.resolve(Uri("sip", user, "example.com", None, {"gr": None})) == ("", "")


def test_instance_that_needs_escapes_comes_through(office, phone):
    instance = "urn:x:a;b=%41?c"
    phone.registers(f'Contact: <sip:1001@10.0.0.5>;+sip.instance="<{instance}>"')
    (binding,) = office.location.contacts("1001")
    public = parse_uri(office.gruus.public(binding))
    assert office.gruus.resolve(public) == ("1001", instance)
