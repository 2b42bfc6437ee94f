"""What is registered ends in time, is kept by the store, and comes back after a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange.registrar import TERMS
from tests.exchange.phones import HERE, THERE, Office, Phone, extension, listed, status

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
