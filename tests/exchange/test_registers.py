"""What is remembered of the last REGISTER of a number: why it was refused, in words for the administrator."""

from __future__ import annotations

from pbx.exchange.registers import STRANGERS
from tests.exchange.phones import REALM, Office, Phone, extension

HERE = "Contact: <sip:1001@10.0.0.5>"


def last(office: Office, number: str = "1001") -> tuple[int, str]:
    register = office.registrar.registers.last(number)
    assert register is not None
    return register.status, register.why


def test_registration_is_told_step_by_step(office):
    phone = Phone(office)
    assert office.registrar.registers.last("1001") is None
    challenged = phone.send(HERE)
    assert last(office) == (401, "asked for a password; no answer yet")
    phone.send(HERE, authorization=phone.answer(challenged))
    assert last(office) == (200, "taken")
    phone.send(HERE, authorization=phone.answer(challenged))
    assert last(office) == (401, "the password is right, the nonce too old: asked again")
    phone.registers()
    assert last(office) == (200, "asked what is registered")
    register = office.registrar.registers.last("1001")
    assert (register.transport, register.host, register.port) == ("UDP", "192.0.2.9", 5060)
    assert (register.user_agent, register.at) == ("Deskphone/1", office.clock.seconds())


def test_reason_of_a_refusal_is_told_to_the_administrator_and_not_to_the_phone(office):
    assert Phone(office, password="wrong").registers(HERE).reason == "Unauthorized"
    assert last(office) == (401, "wrong password")
    Phone(office, "1003").registers(HERE)
    assert last(office, "1003") == (401, "extension 1003 is disabled")
    Phone(office, "1009").registers(HERE)
    assert last(office, "1009") == (401, "there is no extension 1009")
    Phone(office).registers(HERE, to=f"<sip:1002@{REALM}>")
    assert last(office, "1002") == (403, "Forbidden")
    Phone(office).registers(HERE, "Expires: 1")
    assert last(office) == (423, "Interval Too Brief")
    Phone(office).registers(f"{HERE};q=9")
    assert last(office) == (400, "malformed q")
    stranger = 'Digest username="1001", realm="elsewhere", nonce="n", uri="sip:example.com", response="0"'
    Phone(office).send(HERE, authorization=stranger)
    assert last(office) == (401, "credentials for another realm, or of another algorithm")


def test_numbers_that_do_not_exist_are_remembered_for_a_while_only(office):
    Phone(office).registers(HERE)
    for number in range(STRANGERS + 10):
        Phone(office, f"x{number}").send(HERE)
    registers = office.registrar.registers
    assert registers.last("x0") is None and registers.last(f"x{STRANGERS + 9}") is not None
    assert last(office) == (200, "taken")


def test_removed_extension_is_forgotten(office):
    Phone(office).registers(HERE)
    office.directory.replace([extension("1002")])
    office.registrar.remove("1001")
    assert office.registrar.registers.last("1001") is None
