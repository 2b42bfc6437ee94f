"""The lamps of switches: whoever watches the code that turns a switch over sees whether it is on."""

from __future__ import annotations

from collections.abc import Callable

from pbx.dialplan.switches import Switches
from pbx.exchange.lamp import CONFIRMED, Lamp, LampDialog
from pbx.exchange.switch import Switch

_ON = Lamp((LampDialog("on", CONFIRMED),))
_OFF = Lamp()


class SwitchLamps:
    """Those of all switches (`pbx.exchange.dialoginfo.Lit`).

    :param changed: is told of each code whose lamp may have changed.
    """

    __slots__ = ("_changed", "_switches")

    def __init__(self, switches: Switches, changed: Callable[[str], None]) -> None:
        self._switches = switches
        self._changed = changed
        switches.watchers.append(self._turned)

    def lamp(self, resource: str) -> Lamp | None:
        """The state of the switch with that code; None where none has it."""
        switch = self._switches.by_code(resource)
        if switch is None:
            return None
        return _ON if switch.is_on else _OFF

    def _turned(self, switch: Switch) -> None:
        if switch.code:
            self._changed(switch.code)
