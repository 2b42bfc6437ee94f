"""A key of a simulated phone with a lamp beside it: a subscription to what somebody else's phone, or a switch, does."""

from __future__ import annotations

from xml.etree import ElementTree

from pbx.testing.phone import Phone
from pbx.testing.watch import Watch

_INFO = "{urn:ietf:params:xml:ns:dialog-info}"
_CLOSED = "{urn:ietf:params:xml:ns:pidf}basic"
_WORDS = {"early": "ringing", "confirmed": "busy"}


class LampKey:
    """One such key.

    :param number: what it watches.
    :ivar watch: the subscription.
    """

    def __init__(self, phone: Phone, number: str) -> None:
        self.watch = Watch(phone, "dialog", number)

    @property
    def state(self) -> str:
        """What its lamp says: "idle", "ringing", "busy", "on hold" or "unregistered"; "" while nothing has come."""
        if not self.watch.states:
            return ""
        root = ElementTree.fromstring(self.watch.states[-1])
        if root.find(_CLOSED) is not None:
            return "unregistered"
        dialogs = root.findall(f"{_INFO}dialog")
        words = {_WORDS.get(dialog.findtext(f"{_INFO}state", ""), "idle") for dialog in dialogs}
        if "ringing" in words:
            return "ringing"
        if "busy" not in words:
            return "idle"
        held = [dialog for dialog in dialogs if dialog.find(f"{_INFO}local/{_INFO}target/{_INFO}param") is not None]
        return "on hold" if held else "busy"
