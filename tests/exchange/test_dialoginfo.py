"""The documents of lamps (RFC 4235): what stands in them, and what only some may read there."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pbx.exchange.caller import Caller, Source
from pbx.exchange.dialoginfo import KIND, DialogPackage
from pbx.exchange.directory import Directory
from pbx.exchange.extension import Extension
from pbx.exchange.lamp import CONFIRMED, EARLY, TERMINATED, Lamp, LampDialog
from pbx.sip.errors import Malformed

INFO = "{urn:ietf:params:xml:ns:dialog-info}"
BASIC = "{urn:ietf:params:xml:ns:pidf}basic"
CAROL = Caller("1003", "Carol", Source.INTERNAL)
RINGS = LampDialog("7", EARLY, True, "call", "phone", "ours", CAROL)
TALKS = LampDialog("7", CONFIRMED, True, "call", "phone", "ours", CAROL)


class Board:
    """Lamps as they are set, and who is told what.

    :ivar told: the changes and ends that watchers hear of.
    """

    def __init__(self, **lamps: Lamp) -> None:
        self.lamps = lamps
        self.told: list[tuple[str, ...]] = []
        self.watched = True
        directory = Directory()
        # 1002 is who may register for 1001, and 1004 may pick up for it.
        groups = {"1001": "sales", "1002": "", "1003": "", "1004": "sales"}
        extensions = [Extension(number, "", "", "", pickup_group=group) for number, group in groups.items()]
        directory.replace(extensions, {}, {("1002", "1001")})
        self.package = DialogPackage(self, directory, "example.com")
        self.package.lit.append(self)

    def lamp(self, resource: str) -> Lamp | None:
        return self.lamps.get(f"n{resource}")

    def changed(self, package: str, resource: str) -> None:
        self.told.append((package, resource))

    def is_watched(self, package: str, resource: str) -> bool:
        return self.watched

    def end(self, package: str, resource: str, reason: str, sender: str | None = None) -> None:
        self.told.append((package, resource, reason))

    def shows(self, lamp: Lamp, watcher: str = "1003", resource: str = "1001", version: int = 0) -> ElementTree.Element:
        self.lamps[f"n{resource}"] = lamp
        kind, body = self.package.state(resource, version, watcher)
        assert kind == KIND
        return ElementTree.fromstring(body)


def described(root: ElementTree.Element) -> list[tuple[str, str]]:
    return [(dialog.get("id", ""), dialog.findtext(f"{INFO}state", "")) for dialog in root.findall(f"{INFO}dialog")]


def test_idle_ringing_in_a_call_and_unregistered_differ():
    roots = [Board().shows(lamp) for lamp in (Lamp(), Lamp((RINGS,)), Lamp((TALKS,)), Lamp((), False))]
    assert [(described(root), root.find(BASIC) is not None) for root in roots] == [
        ([("idle", "terminated")], False),
        ([("7", "early")], False),
        ([("7", "confirmed")], False),
        ([("unregistered", "confirmed")], True),
    ]


def test_a_document_is_full_and_numbered_and_names_its_number():
    root = Board().shows(Lamp(), resource="*60", version=3)
    assert (root.tag, root.attrib) == (
        f"{INFO}dialog-info",
        {"version": "3", "state": "full", "entity": "sip:*60@example.com"},
    )


@pytest.mark.parametrize("lamp", [RINGS, TALKS])
def test_a_colleague_sees_neither_who_it_is_nor_how_to_take_the_call_over(lamp):
    dialog = Board().shows(Lamp((lamp,)))[0]
    assert dialog.attrib == {"id": "7", "direction": "recipient"}
    assert dialog.findtext(f"{INFO}local/{INFO}identity") == "sip:1001@example.com"
    assert dialog.find(f"{INFO}remote/{INFO}identity") is None
    target = dialog.find(f"{INFO}remote/{INFO}target")
    assert target is not None and target.attrib == {"uri": "sip:1001@example.com"}


def test_who_may_pick_up_sees_who_calls_as_long_as_it_rings():
    dialog = Board().shows(Lamp((RINGS,)), "1004")[0]
    ids = {"call-id": "call", "local-tag": "phone", "remote-tag": "ours"}
    assert dialog.attrib == {"id": "7", **ids, "direction": "recipient"}
    assert dialog.findtext(f"{INFO}remote/{INFO}identity") == "sip:1003@example.com"
    dialog = Board().shows(Lamp((TALKS,)), "1004")[0]
    assert dialog.attrib == {"id": "7", "direction": "recipient"}


@pytest.mark.parametrize("watcher", ["1001", "1002"])
@pytest.mark.parametrize("lamp", [RINGS, TALKS])
def test_oneself_and_who_may_register_for_one_see_with_whom(watcher, lamp):
    dialog = Board().shows(Lamp((lamp,)), watcher)[0]
    assert dialog.get("call-id") == "call"
    identity = dialog.find(f"{INFO}remote/{INFO}identity")
    assert identity is not None and identity.get("display") == "Carol"
    assert identity.text == "sip:1003@example.com"


def test_a_caller_who_wants_it_is_named_to_nobody():
    secret = Caller("1003", "Carol", Source.INTERNAL, is_private=True)
    stranger = Caller("zoe\0\udcff <&", "", Source.ANONYMOUS, domain="example.org")
    dialogs = Lamp((LampDialog("1", EARLY, True, peer=secret), LampDialog("2", EARLY, True, peer=stranger)))
    found = [dialog.find(f"{INFO}remote/{INFO}identity") for dialog in Board().shows(dialogs, "1001")]
    assert [(one.text, one.get("display")) for one in found if one is not None] == [
        ("sip:anonymous@anonymous.invalid", None),
        ("sip:zoe??%20%3C&@example.org", None),
    ]


def test_hold_is_told_as_phones_know_it():
    """RFC 4235 5.2."""
    dialog = Board().shows(Lamp((LampDialog("1", CONFIRMED, False, is_held=True),)))[0]
    parameter = dialog.find(f"{INFO}local/{INFO}target/{INFO}param")
    assert parameter is not None and parameter.attrib == {"pname": "+sip.rendering", "pval": "no"}


def test_what_has_ended_is_told_by_its_id():
    lamp = Lamp((LampDialog("8", CONFIRMED, False), LampDialog("7", TERMINATED, True)))
    assert described(Board().shows(lamp)) == [("8", "confirmed"), ("7", "terminated")]


def test_changes_are_told_to_watchers_and_a_number_that_is_gone_ends_what_watches_it():
    board = Board(n1001=Lamp())
    board.package.changed("1001")
    board.lamps.clear()
    board.package.changed("1001")
    board.watched = False
    board.package.changed("1001")
    assert board.told == [("dialog", "1001"), ("dialog", "1001", "noresource")]


def test_there_is_a_lamp_for_what_there_is():
    board = Board(n1001=Lamp())
    board.package.admit(CAROL, "1001")
    with pytest.raises(Malformed) as caught:
        board.package.admit(CAROL, "1999")
    assert caught.value.status == 404
