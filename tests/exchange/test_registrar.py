from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange.binding import Binding
from pbx.exchange.registrar import LONGEST, TERMS
from pbx.sip.headers import CONTACT, DATE
from pbx.sip.message import Response
from tests.exchange.phones import REALM, Office, Phone, extension

HERE = "sip:1001@10.0.0.5:5060"
THERE = "sip:1001@10.0.0.6:5060"


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def phone(office: Office) -> Phone:
    return Phone(office)


def listed(response: Response) -> dict[str, str | None]:
    """Contacts of a 200 with their expiry."""
    assert response.status == 200, response.start_line()
    return {str(address.uri): address.parameters["expires"] for address in response.many(CONTACT)}


def status(response: Response) -> int:
    return response.status


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


# How long: FEATURES 22 and 24.


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


# Expiry.


def test_binding_ends_when_its_time_is_over_and_the_store_forgets_it(office, phone):
    phone.registers(f"Contact: <{HERE}>;expires=60, <{THERE}>;expires=61")
    office.clock.advance(59.875)
    assert office.contacts() == [THERE, HERE]
    office.clock.advance(0.125)
    assert office.contacts() == [THERE] and len(office.location) == 1
    assert office.store.kept == [("1001", THERE)]
    office.clock.advance(1)
    assert office.contacts() == [] and len(office.location) == 0
    assert office.store.rows == {}


def test_refreshed_binding_outlives_its_first_expiry(office, phone):
    phone.registers(f"Contact: <{HERE}>;expires=60")
    office.clock.advance(50)
    phone.registers(f"Contact: <{HERE}>;expires=60")
    office.clock.advance(59)
    assert office.contacts() == [HERE]
    office.clock.advance(1)
    assert len(office.location) == 0 and office.store.rows == {}


def test_one_timer_serves_all_bindings(office):
    office.clock.advance(0.5)
    for number in range(50):
        office.directory.replace([extension(str(number)) for number in range(50)])
        Phone(office, str(number)).registers(f"Contact: <sip:{number}@10.0.0.5>;expires={100 + number}")
    office.clock.advance(40)  # the transactions are over
    assert len(office.clock.pending) == 1
    office.clock.advance(110)
    assert len(office.location) == 0 and office.clock.pending == []


def test_expired_binding_counts_no_more_even_before_it_is_swept_out(office, phone):
    phone.registers(f"Contact: <{HERE}>;expires=60, <{THERE}>;expires=60.5", cseq=9)
    phone.registers(f"Contact: <{THERE}>;expires=0", cseq=11)
    office.clock.advance(0.25)
    phone.registers(f"Contact: <{THERE}>;expires=60", cseq=13)
    office.clock.advance(60)
    # THERE expired just now; sweeping waits, since it was done a quarter of a second ago.
    assert office.contacts() == [] and len(office.location) == 0 and office.location.bindings() == []
    assert listed(phone.registers(cseq=2)) == {}
    assert listed(phone.registers(f"Contact: <{THERE}>", cseq=3)) == {THERE: "3600"}
    office.clock.advance(1)
    assert office.store.kept == [("1001", THERE)]


# The administrator, the restart.


def test_removed_extension_loses_its_bindings(office, phone):
    phone.registers(f"Contact: <{HERE}>, <{THERE}>")
    Phone(office, "1002", call_id="other").registers("Contact: <sip:1002@10.0.0.9>")
    office.registrar.remove("1001")
    office.registrar.remove("9999")
    assert office.contacts() == [] and office.store.kept == [("1002", "sip:1002@10.0.0.9")]
    office.registrar.remove("1002")
    office.clock.advance(40)
    assert office.clock.pending == []


def test_stop_leaves_no_timer(office, phone):
    phone.registers(f"Contact: <{HERE}>")
    office.location.stop()
    office.location.stop()
    office.clock.advance(40)
    assert office.clock.pending == []


def test_restart_brings_back_what_the_store_has_kept(office, phone):
    phone.registers(f"Contact: <{HERE}>;expires=100")
    office.clock.advance(1)
    phone.registers(f"Contact: <{THERE}>;expires=200")
    after = Office()
    after.store.rows = dict(office.store.rows)
    after.registrar.restore(office.store.rows.values())
    assert after.location.contacts("1001") == office.location.contacts("1001")
    assert after.store.told == []
    # The rules of RFC 3261 10.3 step 7 outlive a restart, too.
    assert status(Phone(after).registers(f"Contact: <{HERE}>", cseq=1)) == 500
    after.clock.advance(100)
    assert after.contacts() == [THERE] and after.store.kept == [("1001", THERE)]


def test_restart_forgets_what_has_expired_or_belongs_to_nobody(office, phone):
    phone.registers(f"Contact: <{HERE}>")
    (binding,) = office.location.bindings()
    after = Office()
    after.clock.advance(10)
    expired = binding._replace(contact="sip:old@10.0.0.5", expires_at=after.clock.seconds())
    for lost in (expired, binding._replace(number="9999"), binding._replace(number="1003")):
        after.store.rows[lost.number, *lost.key] = lost
        after.registrar.restore([lost])
    assert len(after.location) == 0 and after.store.rows == {} and after.clock.pending == []


def test_what_registers_before_the_store_is_read_is_newer(office, phone):
    phone.registers(f"Contact: <{HERE}>")
    (kept,) = office.location.bindings()
    after = Office()
    Phone(after, call_id="boot2").registers(f"Contact: <{HERE}>")
    after.registrar.restore([kept])
    assert [binding.call_id for binding in after.location.bindings()] == ["boot2"]


def test_store_is_told_of_each_change_once(office, phone):
    phone.registers(f"Contact: <{HERE}>, <{THERE}>")
    phone.registers(f"Contact: <{HERE}>")
    phone.registers()
    phone.registers(f"Contact: <{THERE}>;expires=0")
    assert office.store.told == [("1001", 2), ("1001", 2), ("1001", 1)]


# Whatever phones do, the store holds what the registrar holds.

CONTACTS = st.sampled_from([f"sip:p{number}@10.0.0.5" for number in range(12)])
NAMES = st.sampled_from(["", "", ';+sip.instance="<urn:x:1>"', ';+sip.instance="<urn:x:2>"'])
FLOWS = st.sampled_from(["", "", ";reg-id=1", ";reg-id=2"])
ACTIONS = st.lists(
    st.tuples(
        st.lists(st.tuples(CONTACTS, st.sampled_from(["0", "60", "90", "3600", "30", "x"]), NAMES), max_size=3),
        st.sampled_from(["boot1", "boot2"]),
        st.sampled_from([-2, 1, 1, 1]),
        st.sampled_from([0, 0.125, 30, 61]),
        FLOWS,
    ),
    max_size=12,
)


@given(ACTIONS)
def test_registrar_and_store_agree_after_anything(actions):
    office = Office()
    phone = Phone(office)
    for contacts, call_id, step, pause, flow in actions:
        phone.call_id = call_id
        before = office.location.bindings()
        response = phone.registers(
            *(f"Contact: <{contact}>;expires={expires}{name}{flow}" for contact, expires, name in contacts),
            "Supported: outbound",
            cseq=phone.cseq + step + 3,
        )
        after = office.location.bindings()
        if response.status == 200:
            assert set(listed(response)) == set(office.contacts())
        else:
            assert response.status in (400, 423, 500) and after == before
        assert len({binding.phone for binding in after}) <= TERMS.max_contacts
        assert len({binding.key for binding in after}) == len(after)
        office.clock.advance(pause)
    office.clock.advance(2)
    assert sorted(office.store.kept) == sorted(("1001", contact) for contact in office.contacts())
    office.clock.advance(7202)
    assert len(office.location) == 0 and office.store.rows == {} and office.clock.pending == []
