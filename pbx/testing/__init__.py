"""Simulated networks, phones and time, for tests of dialplans and of the exchange itself. The SIP stack in them is the
real one: only clock and sockets are simulated.
"""

from __future__ import annotations

from pbx.testing.sim import Sim
from pbx.testing.sim_phone import SimPhone
from pbx.testing.sim_trunk import SimTrunk

__all__ = ["Sim", "SimPhone", "SimTrunk"]
