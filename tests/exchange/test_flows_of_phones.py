"""REGISTERs of phones that have a name of their own, several flows, or proxies in between (RFC 3327, RFC 5626)."""

from __future__ import annotations

import pytest

from pbx.exchange.reach import LONGEST, PROXIES
from pbx.exchange.registrar import CONTACTS, FLOWS
from pbx.sip.headers import CONTACT, PATH, REQUIRE
from pbx.sip.message import Response
from tests.exchange.phones import HERE, REALM, THERE, Office, Phone, extension
from tests.sip.wire import Wire

DESK = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
SOFT = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff"
OUTBOUND = "Supported: path, outbound"
PROXY = "Via: SIP/2.0/UDP 10.0.0.77:5060;branch=z9hG4bKproxy"


def contact(uri: str = HERE, instance: str = DESK, reg_id: int = 0, more: str = "") -> str:
    flow = f";reg-id={reg_id}" if reg_id else ""
    return f'Contact: <{uri}>;+sip.instance="<{instance}>"{flow}{more}'


def keys(office: Office, number: str = "1001") -> list[tuple[str, str, int]]:
    return [binding.key for binding in office.location.contacts(number)]


def extensions(response: Response) -> list[str]:
    return response.many(REQUIRE)


# Outbound: RFC 5626 section 6.


def test_flow_is_named_by_instance_and_reg_id_and_answered_with_require_outbound(office, phone):
    response = phone.registers(contact(reg_id=1), OUTBOUND)
    assert (response.status, extensions(response)) == (200, ["outbound"])
    (listed,) = response.many(CONTACT)
    assert (listed.parameters["+sip.instance"], listed.parameters["reg-id"]) == (f'"<{DESK}>"', "1")
    assert keys(office) == [(HERE, DESK, 1)]
    assert response.first("flow-timer") is None  # over UDP phones ask more often anyhow (RFC 5626 4.4)


def test_phone_on_a_connection_is_told_how_often_to_send_a_keep_alive(office):
    phone = Phone(office)
    phone.wire = Wire(office.clock, reliable=True)
    response = phone.registers(contact(reg_id=1), OUTBOUND)
    assert response.first("flow-timer") == "120"


def test_flows_of_one_phone_may_have_the_same_contact(office, phone):
    phone.registers(contact(reg_id=1), OUTBOUND)
    second = Phone(office, call_id="second", port=5070)
    assert len(second.registers(contact(reg_id=2), OUTBOUND).many(CONTACT)) == 2
    assert keys(office) == [(HERE, DESK, 2), (HERE, DESK, 1)]
    assert len(office.store.rows) == 2


def test_new_flow_of_the_same_reg_id_replaces_the_old_one_whatever_its_contact(office, phone):
    phone.registers(contact(reg_id=1), OUTBOUND)
    Phone(office, call_id="rebooted").registers(contact(THERE, reg_id=1), OUTBOUND, cseq=1)
    assert keys(office) == [(THERE, DESK, 1)]
    assert office.store.kept == [("1001", THERE)]


def test_flow_is_removed_by_its_reg_id_alone(office, phone):
    phone.registers(contact(reg_id=1), OUTBOUND)
    phone.registers(contact(reg_id=2), OUTBOUND)
    phone.registers(contact(reg_id=1, more=";expires=0"), OUTBOUND)
    assert keys(office) == [(HERE, DESK, 2)]


@pytest.mark.parametrize("fields", [(contact(reg_id=1),), (f"Contact: <{HERE}>;reg-id=1", OUTBOUND)])
def test_reg_id_of_a_phone_without_outbound_or_instance_means_nothing(office, phone, fields):
    response = phone.registers(*fields)
    assert (response.status, extensions(response)) == (200, [])
    assert [key[2] for key in keys(office)] == [0]


def test_phone_that_begins_to_manage_flows_gives_up_its_former_place(office, phone):
    phone.registers(contact())
    phone.registers(contact(reg_id=1), OUTBOUND)
    assert keys(office) == [(HERE, DESK, 1)]


def test_flow_is_registered_alone(office, phone):
    assert phone.registers(contact(reg_id=1), f"Contact: <{THERE}>", OUTBOUND).status == 400
    assert keys(office) == []
    assert phone.registers(contact(reg_id=1), f"Contact: <{THERE}>;expires=0", OUTBOUND).status == 200


def test_first_hop_that_keeps_no_flows_is_439_unless_the_phone_does_without(office, phone):
    refused = phone.registers(contact(reg_id=1), OUTBOUND, PROXY, "Path: <sip:10.0.0.77;lr>")
    assert refused.status == 439
    assert phone.registers(contact(reg_id=1), OUTBOUND, PROXY).status == 439
    assert keys(office) == []
    kept = phone.registers(contact(reg_id=1), OUTBOUND, PROXY, "Path: <sip:10.0.0.77;lr;ob>")
    assert (kept.status, extensions(kept)) == (200, ["outbound"])
    plain = phone.registers(contact(THERE, SOFT), OUTBOUND, PROXY)
    assert (plain.status, extensions(plain)) == (200, [])


def test_proxy_next_to_the_phone_counts_and_not_the_one_next_to_us(office, phone):
    inner = phone.registers(contact(reg_id=1), OUTBOUND, PROXY, "Path: <sip:inner;lr;ob>, <sip:edge;lr>")
    assert inner.status == 439
    edge = phone.registers(contact(reg_id=1), OUTBOUND, PROXY, "Path: <sip:inner;lr>", "Path: <sip:edge;lr;ob>")
    assert edge.status == 200


@pytest.mark.parametrize(
    "parameters",
    [
        *('+sip.instance="urn:x"', "+sip.instance", '+sip.instance="<>"', '+sip.instance="<a b>"', "+sip.instance=<a>"),
        '+sip.instance="<urn:' + "x" * 300 + '>"',
        *(f'+sip.instance="<{DESK}>";reg-id={value}' for value in ("0", "x", "-1", "2147483648", '"1"', "9" * 5000)),
    ],
)
def test_malformed_instance_or_reg_id_is_400(office, phone, parameters):
    assert phone.registers(f"Contact: <{HERE}>;{parameters}", OUTBOUND).status == 400
    assert keys(office) == []


def test_nobody_has_more_flows_than_a_few(office, phone):
    for reg_id in range(1, FLOWS + 3):
        phone.registers(contact(reg_id=reg_id), OUTBOUND)
    assert sorted(key[2] for key in keys(office)) == list(range(3, FLOWS + 3))


def test_more_contacts_than_anybody_has_are_400(office, phone):
    many = ", ".join(f"<sip:p{number}@10.0.0.5>" for number in range(CONTACTS + 1))
    assert phone.registers(f"Contact: {many}").status == 400
    assert keys(office) == []


def test_require_of_what_we_do_is_granted(phone):
    response = phone.registers(contact(reg_id=1), "Require: path, outbound, gruu")
    assert (response.status, extensions(response)) == (200, ["outbound"])
    assert "pub-gruu" in response.many(CONTACT)[0].parameters


# Mobility: FEATURES 33.


def test_phone_that_moves_or_reboots_is_in_one_place_only(office, phone):
    phone.registers(contact(HERE))
    office.clock.advance(10)
    phone.registers(contact(THERE))
    assert keys(office) == [(THERE, DESK, 0)]
    Phone(office, call_id="rebooted").registers(contact("sip:1001@10.0.0.7:49152"), cseq=1)
    assert keys(office) == [("sip:1001@10.0.0.7:49152", DESK, 0)]
    Phone(office, call_id="other").registers(contact(HERE, SOFT))
    Phone(office, call_id="nameless").registers(f"Contact: <{THERE}>")
    assert len(keys(office)) == 3


def test_late_register_of_the_former_place_changes_nothing(office, phone):
    phone.registers(contact(THERE), cseq=10)
    assert phone.registers(contact(HERE), cseq=9).status == 500
    assert keys(office) == [(THERE, DESK, 0)]


def test_places_of_one_register_stand_side_by_side(office, phone):
    both = f'{contact(HERE)}, <{THERE}>;+sip.instance="<{DESK}>"'
    phone.registers(both)
    phone.registers(both)
    assert len(keys(office)) == 2
    phone.registers(contact(HERE, more=";expires=0"))
    assert keys(office) == [(THERE, DESK, 0)]


def test_phones_behind_different_nats_may_have_the_same_contact(office, phone):
    phone.registers(contact(HERE, DESK))
    Phone(office, call_id="other", host="203.0.113.8").registers(contact(HERE, SOFT))
    assert sorted(keys(office)) == [(HERE, DESK, 0), (HERE, SOFT, 0)]
    assert len(office.store.rows) == 2


# How many phones.


def test_new_phone_is_refused_where_the_old_ones_stay():
    office = Office(max_contacts=2, refuses=True)
    phone = Phone(office)
    phone.registers(f"Contact: <{HERE}>")
    phone.registers(f"Contact: <{THERE}>")
    refused = Phone(office, call_id="third").registers("Contact: <sip:third@10.0.0.9>")
    assert (refused.status, refused.reason) == (403, "this extension has all the phones that it may have")
    assert sorted(office.contacts()) == [HERE, THERE]
    assert phone.registers(f"Contact: <{HERE}>").status == 200
    assert phone.registers(f"Contact: <{HERE}>;expires=0, <sip:third@10.0.0.9>").status == 200


def test_maximum_of_the_extension_counts_before_that_of_the_configuration(office, phone):
    office.directory.replace([extension("1001", max_contacts=1)])
    phone.registers(f"Contact: <{HERE}>")
    phone.registers(f"Contact: <{THERE}>")
    assert office.contacts() == [THERE]


def test_flows_of_one_phone_count_once_and_go_together():
    office = Office(max_contacts=2)
    phone = Phone(office)
    phone.registers(contact(reg_id=1), OUTBOUND)
    phone.registers(contact(reg_id=2), OUTBOUND)
    phone.registers(f"Contact: <{THERE}>")
    assert len(keys(office)) == 3
    phone.registers("Contact: <sip:third@10.0.0.9>")
    assert office.contacts() == ["sip:third@10.0.0.9", THERE]


# Path: RFC 3327 5.3.


def test_path_is_kept_and_told(office, phone):
    response = phone.registers(f"Contact: <{HERE}>", "Supported: path", "Path: <sip:p2;lr>, <sip:p1;lr;x=1>;y=2")
    assert [str(proxy) for proxy in response.many(PATH)] == ["<sip:p2;lr>", "<sip:p1;lr;x=1>;y=2"]
    (binding,) = office.location.contacts("1001")
    assert binding.path == "<sip:p2;lr>, <sip:p1;lr;x=1>;y=2"
    phone.registers(f"Contact: <{HERE}>")
    assert [binding.path for binding in office.location.contacts("1001")] == [""]


def test_path_that_the_phone_does_not_know_of_is_420_unless_we_are_told_otherwise(office, phone):
    refused = phone.registers(f"Contact: <{HERE}>", "Path: <sip:p1;lr>")
    assert (refused.status, refused.first("unsupported")) == (420, "path")
    assert keys(office) == []
    lenient = Office(any_path=True)
    assert Phone(lenient).registers(f"Contact: <{HERE}>", "Path: <sip:p1;lr>").status == 200
    assert lenient.location.contacts("1001")[0].path == "<sip:p1;lr>"


@pytest.mark.parametrize(
    "path",
    [
        "sip:p1;lr",
        "<tel:1>",
        "<sip:p1",
        ", ".join(["<sip:p;lr>"] * (PROXIES + 1)),
        "<mailto:a@b>",
        f"<sip:{'x' * LONGEST}@p;lr>",
    ],
)
def test_path_that_leads_nowhere_is_400(office, phone, path):
    assert phone.registers(f"Contact: <{HERE}>", "Supported: path", f"Path: {path}").status == 400
    assert keys(office) == []


def test_restart_brings_back_how_phones_are_reached(office, phone):
    phone.registers(contact(reg_id=1), OUTBOUND, "Path: <sip:edge;lr;ob>")
    after = Office(store=office.store)
    after.registrar.restore(list(office.store.rows.values()))
    assert after.location.contacts("1001") == office.location.contacts("1001")


# Third-party registration: FEATURES 29.


def test_secretary_registers_for_the_manager_only_by_permission(office):
    secretary = Phone(office, "1001")
    boss = f"<sip:1002@{REALM}>"
    assert secretary.registers(f"Contact: <{HERE}>", to=boss).status == 403
    office.directory.replace([extension("1001"), extension("1002")], permissions={("1001", "1002")})
    assert secretary.registers(f"Contact: <{HERE}>", to=boss).status == 200
    assert (keys(office, "1001"), len(keys(office, "1002"))) == ([], 1)
    manager = Phone(office, "1002", call_id="boss")
    assert manager.registers(f"Contact: <{THERE}>", to=f"<sip:1001@{REALM}>").status == 403
    assert secretary.registers(f"Contact: <{HERE}>;expires=0", to=boss).status == 200
    assert keys(office, "1002") == []


def test_permission_to_register_a_disabled_or_removed_extension_is_worth_nothing(office):
    permissions = {("1001", "1003"), ("1001", "1009")}
    office.directory.replace([extension("1001"), extension("1003", enabled=False)], permissions=permissions)
    for number in ("1003", "1009"):
        assert Phone(office).registers(f"Contact: <{HERE}>", to=f"<sip:{number}@{REALM}>").status == 403


# The connections that phones leave.


def test_connection_that_a_phone_has_left_is_closed_unless_others_use_it(office):
    old, new = Wire(office.clock, reliable=True), Wire(office.clock, reliable=True)
    phone, other = Phone(office), Phone(office, "1002", call_id="other")
    phone.wire = other.wire = old
    phone.registers(contact())
    other.registers("Contact: <sip:1002@10.0.0.5>")
    phone.wire = new
    phone.registers(contact())
    assert old.is_open
    other.wire = new
    other.registers("Contact: <sip:1002@10.0.0.5>")
    assert not old.is_open and new.is_open
    other.registers("Contact: <sip:1002@10.0.0.5>")
    assert new.is_open
