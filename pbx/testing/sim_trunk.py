"""A trunk of a `Sim`, in the words of a test: what the provider at its other end does, and who calls over it."""

from __future__ import annotations

from pbx.testing.sim_phone import SimPhone, World
from pbx.testing.trunk import SimulatedTrunk


class SimTrunk:
    """One trunk.

    :ivar provider: its other end, for what has no word here.
    """

    def __init__(self, sim: World, provider: SimulatedTrunk) -> None:
        self.provider = provider
        self._sim = sim

    def answers(self) -> None:
        """Answer all calls at once; that is how it begins."""
        self.provider.answers()

    def rings(self) -> None:
        """Let calls ring."""
        self.provider.rings()

    def fails(self, status: int) -> None:
        """Refuse all calls with a status."""
        self.provider.fails(status)

    def falls_silent(self) -> None:
        """Answer nothing any more."""
        self.provider.falls_silent()

    def call(self, number: str, to: str, *, withheld: bool = False) -> SimPhone:
        """Somebody calls one of our numbers; return the caller's phone.

        :param number: the caller's.
        :param to: ours, as the provider writes it.
        :param withheld: whether the caller wants to be named to nobody.
        """
        phone = SimPhone(self._sim, self.provider.call(number, to, withheld=withheld))
        self._sim.settle()
        return phone

    @property
    def calls(self) -> int:
        """How many calls came to it."""
        return self.provider.calls

    def __repr__(self) -> str:
        return repr(self.provider)
