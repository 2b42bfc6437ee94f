"""The strategies of ring groups: `group("101", "102", strategy=in_turn)`."""

from __future__ import annotations

from pbx.exchange.group import Strategy

all_at_once = Strategy.ALL_AT_ONCE
in_turn = Strategy.IN_TURN
by_q = Strategy.BY_Q
round_robin = Strategy.ROUND_ROBIN
longest_idle = Strategy.LONGEST_IDLE

__all__ = ["all_at_once", "by_q", "in_turn", "longest_idle", "round_robin"]
