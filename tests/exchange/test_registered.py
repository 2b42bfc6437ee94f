from __future__ import annotations

from pbx.exchange import registered
from pbx.exchange.binding import Binding
from pbx.exchange.registered import RegisteredFlows
from tests.exchange.phones import Office, Phone, Store


def bound(office: Office) -> RegisteredFlows:
    """What the bindings of an office make of it."""
    flows = RegisteredFlows(Store())
    flows.restore(office.location.bindings())
    return flows


def test_phone_is_known_by_its_flow_and_by_no_other():
    office = Office()
    Phone(office, host="192.0.2.9", port=5062).registers("Contact: <sip:1001@10.0.0.5>")
    flows = bound(office)
    assert flows.account_at("UDP", "192.0.2.9", 5062) == "1001"
    for other in (("UDP", "192.0.2.9", 5060), ("TCP", "192.0.2.9", 5062), ("UDP", "10.0.0.5", 5060)):
        assert flows.account_at(*other) == ""


def test_store_is_told_and_what_has_ended_is_forgotten():
    office, store = Office(), Store()
    Phone(office).registers("Contact: <sip:1001@10.0.0.5>")
    Phone(office, "1002").registers("Contact: <sip:1002@10.0.0.5>")
    first, second = office.location.bindings()
    flows = RegisteredFlows(store)
    flows.keep("1001", (first,))
    flows.keep("1002", (second,))
    assert {number for number, *_ in store.rows} == {"1001", "1002"}
    place = (first.transport, first.remote_host, first.remote_port)
    assert flows.account_at(*place) == "1001"  # two lines of one phone
    flows.keep("1001", ())
    assert flows.account_at(*place) == "1002"
    flows.keep("1002", (moved(second),))
    assert flows.account_at(*place) == ""
    assert flows.account_at("UDP", "192.0.2.77", second.remote_port) == "1002"
    flows.keep("1002", ())
    assert flows.account_at("UDP", "192.0.2.77", second.remote_port) == ""
    assert store.rows == {}


def test_source_is_known_for_as_long_as_any_flow_of_it_is():
    office, flows = Office(), RegisteredFlows(Store())
    Phone(office, port=5062).registers("Contact: <sip:1001@10.0.0.5>")
    Phone(office, "1002", port=5064).registers("Contact: <sip:1002@10.0.0.6>")
    first, second = office.location.bindings()
    flows.restore([first, second])
    assert flows.is_anybody_at("192.0.2.9") and not flows.is_anybody_at("192.0.2.77")
    flows.keep("1001", ())
    assert flows.is_anybody_at("192.0.2.9")
    flows.keep("1002", (moved(second),))
    assert flows.is_anybody_at("192.0.2.77") and not flows.is_anybody_at("192.0.2.9")
    flows.keep("1002", (second._replace(remote_host="2001:db8::1"),))
    assert flows.is_anybody_at("2001:db8::/64") and not flows.is_anybody_at("192.0.2.77")
    flows.keep("1002", ())
    assert not flows.is_anybody_at("2001:db8::/64")


def test_thousands_of_bans_are_compared_with_thousands_of_phones_without_looking_at_each(monkeypatch):
    office, flows = Office(), RegisteredFlows(Store())
    Phone(office).registers("Contact: <sip:1001@10.0.0.5>")
    (first,) = office.location.bindings()
    flows.restore([first._replace(number=str(n), remote_port=n) for n in range(1, 1000)])
    monkeypatch.setattr(registered, "source_of", None)  # nothing is computed anew
    assert not any(flows.is_anybody_at(f"198.51.100.{n}") for n in range(256))
    assert flows.is_anybody_at("192.0.2.9")


def moved(binding: Binding) -> Binding:
    return binding._replace(remote_host="192.0.2.77")
