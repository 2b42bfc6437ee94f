"""Why a session or a call is over, in the words that its user is told. Each is a cause in `pbx.exchange.causes`."""

from __future__ import annotations

HUNG_UP = "hung up"
GAVE_UP = "the caller gave up"
NO_ACK = "our 200 was never acknowledged"
NO_PRACK = "the caller does not acknowledge that it rings"
UNKNOWN = "the other side no longer knows this call"
EXPIRED = "the session has expired"
TRANSFERRED = "transferred"
PLAN_FAILED = "the dialplan failed"
NO_ROUTE = "no route"
OVERDUE = "time limit"
ADMINISTRATOR = "ended by the administrator"
STOPPING = "the exchange stops"
REMOVED = "the extension was removed"
SILENT = "no sound has come for too long"
UNANSWERED = "no answer to our re-INVITE"  # and why
