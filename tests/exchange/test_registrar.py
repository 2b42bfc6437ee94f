"""Who may register what, and which contacts an extension has then (RFC 3261 10.3)."""

from __future__ import annotations

import pytest

from pbx.exchange.binding import Binding
from pbx.exchange.registrar import LONGEST, TERMS
from pbx.sip.headers import DATE
from tests.exchange.phones import HERE, REALM, Phone, extension, listed, status


def test_registration_is_challenged_and_then_answered_with_its_binding_and_the_date(office, phone):
    assert status(phone.send(f"Contact: <{HERE}>")) == 401
    assert office.contacts() == []
    response = phone.registers(f"Contact: <{HERE}>")
    assert listed(response) == {HERE: "3600"}
    assert response.to_tag
    date = response.one(DATE)
    assert date is not None
    assert date.timestamp() == office.clock.seconds()
    assert office.contacts() == [HERE]
    assert len(office.location) == 1


def test_md5_registers_as_well(office):
    assert listed(Phone(office, algorithm="MD5").registers(f"Contact: <{HERE}>")) == {HERE: "3600"}


def test_phone_is_reached_where_it_registered_from_whatever_its_contact_says(office, phone):
    phone.wire.remote = ("203.0.113.7", 31234)
    phone.registers(f"Contact: <{HERE}>")
    now = office.clock.seconds()
    assert office.location.contacts("1001") == [
        Binding(
            number="1001",
            contact=HERE,
            q=1.0,
            call_id="boot1",
            cseq=2,
            expires_at=now + 3600,
            transport="UDP",
            local_host="192.0.2.1",
            local_port=5060,
            remote_host="203.0.113.7",
            remote_port=31234,
            user_agent="Deskphone/1",
            registered_at=now,
            aor="sip:1001@example.com",
        )
    ]


def test_certificate_registers_its_own_phones_without_a_password(office, phone):
    phone.wire.names = frozenset((f"1001@{REALM}",))
    assert listed(phone.send(f"Contact: <{HERE}>")) == {HERE: "3600"}
    other = Phone(office, "1002", call_id="other")
    other.wire.names = phone.wire.names
    assert status(other.send("Contact: <sip:1002@10.0.0.9>")) == 401
    assert status(phone.send("Contact: <sip:1002@10.0.0.9>", to=f"<sip:1002@{REALM}>")) == 403
    assert office.contacts("1002") == []


@pytest.mark.parametrize(("number", "password"), [("1001", "wrong"), ("9999", "secret"), ("1003", "secret")])
def test_wrong_password_unknown_number_and_disabled_extension_are_challenged_again(office, number, password):
    assert status(Phone(office, number, password).registers(f"Contact: <sip:{number}@10.0.0.5>")) == 401
    assert len(office.location) == 0


# RFC 3261 10.3 step 1 and 5; the user part of the Request-URI is tolerated.


def test_domain_that_is_not_ours_is_404_and_costs_no_digest(office, phone):
    assert status(phone.send(f"Contact: <{HERE}>", target="sip:elsewhere.example")) == 404
    assert office.authenticator.computations == 0


def test_user_in_the_request_uri_is_tolerated_and_our_address_is_ours(phone):
    for target in (f"sip:1001@{REALM}", "sip:192.0.2.1:5060"):
        challenged = phone.send(target=target)
        response = phone.send(f"Contact: <{HERE}>", target=target, authorization=phone.answer(challenged, target))
        assert listed(response) == {HERE: "3600"}


def test_address_of_record_in_another_domain_is_404(phone):
    assert status(phone.registers(f"Contact: <{HERE}>", to="<sip:1001@elsewhere.example>")) == 404


@pytest.mark.parametrize("to", [f"<sip:1002@{REALM}>", f"<sip:9999@{REALM}>", f"<sip:{REALM}>"])
def test_registering_for_somebody_else_is_403(office, phone, to):
    assert status(phone.registers(f"Contact: <{HERE}>", to=to)) == 403
    assert len(office.location) == 0


def test_alias_is_an_address_of_record_of_its_extension(office, phone):
    office.directory.replace([extension("1001"), extension("1002")], {"ann": "1001", "bob": "1002"})
    assert phone.registers(f"Contact: <{HERE}>", to=f"<sip:ann@{REALM}>").status == 200
    assert office.contacts("1001") == [HERE]
    assert phone.registers(f"Contact: <{HERE}>", to=f"<sip:bob@{REALM}>").status == 403


def test_address_of_record_is_compared_decoded_and_without_parameters(office, phone):
    assert status(phone.registers(f"Contact: <{HERE}>", to=f'"Me" <sip:100%31@{REALM.upper()};x=y>')) == 200
    assert office.contacts() == [HERE]


# Order, limits, malformed contacts.


def test_contacts_come_by_preference_and_then_the_latest_first(office, phone):
    one, two, three, four = (f"sip:p{number}@10.0.0.5" for number in (1, 2, 3, 4))
    for contact, q in ((one, "0.5"), (two, "1.0"), (three, "0.5"), (four, "0")):
        phone.registers(f"Contact: <{contact}>;q={q}")
        office.clock.advance(1)
    assert office.contacts() == [two, three, one, four]
    phone.registers(f"Contact: <{one}>;q=0.500")
    assert office.contacts() == [two, one, three, four]


@pytest.mark.parametrize("q", ["1.1", "-1", "x", "0.1234", "", "2"])
def test_malformed_q_is_400(office, phone, q):
    assert status(phone.registers(f"Contact: <{HERE}>;q={q}")) == 400
    assert status(phone.registers(f"Contact: <{HERE}>;q")) == 400
    assert office.contacts() == []


@pytest.mark.parametrize("contact", ["tel:1001", "<mailto:a@b>", "<sip:a@h", "<sip:a@h>;expires=1;expires=2", '"a'])
def test_contact_that_is_no_sip_address_is_400_and_nothing_is_changed(office, phone, contact):
    assert status(phone.registers(f"Contact: <{HERE}>", f"Contact: {contact}")) == 400
    assert office.contacts() == []


def test_what_is_too_long_to_be_kept_and_listed_is_400(office, phone):
    assert phone.registers(f"Contact: <sip:{'x' * LONGEST}@10.0.0.5>").status == 400
    padded = f"<sip:1001@{REALM};x={'x' * LONGEST}>"
    assert phone.registers("Contact: <sip:1001@10.0.0.5>", to=padded).status == 400
    assert not office.location.bindings()
    for n in range(10):
        answer = phone.registers(f"Contact: <sip:{n}{'x' * (LONGEST - 100)}@10.0.0.5>")
        assert answer.status == 200
    assert len(bytes(answer)) < 65_000  # one datagram holds them all


def test_with_more_contacts_than_allowed_those_go_that_were_not_refreshed_for_the_longest_time(office, phone):
    contacts = [f"sip:p{number}@10.0.0.5" for number in range(TERMS.max_contacts)]
    for contact in contacts:
        phone.registers(f"Contact: <{contact}>")
        office.clock.advance(1)
    phone.registers(f"Contact: <{contacts[0]}>")
    response = phone.registers(f"Contact: <{HERE}>")
    assert len(listed(response)) == TERMS.max_contacts
    assert contacts[1] not in listed(response) and contacts[0] in listed(response)
    assert ("1001", contacts[1]) not in office.store.kept and len(office.store.rows) == TERMS.max_contacts


def test_long_user_agent_is_cut(office, phone):
    phone.registers(f"Contact: <{HERE}>", f"User-Agent: {'x' * 500}")
    (binding,) = office.location.contacts("1001")
    assert binding.user_agent == "x" * 200
