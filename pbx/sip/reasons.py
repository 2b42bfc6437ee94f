"""Why a session is over, in the words that its user is told."""

from __future__ import annotations

HUNG_UP = "hung up"
GAVE_UP = "the caller gave up"
NO_ACK = "our 200 was never acknowledged"
NO_PRACK = "the caller does not acknowledge that it rings"
UNKNOWN = "the other side no longer knows this call"
EXPIRED = "the session has expired"
TRANSFERRED = "transferred"
UNANSWERED = "no answer to our re-INVITE"  # and why
