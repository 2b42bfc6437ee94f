"""How `twistd` learns that there is a `pbx`: read at every start of every twistd, so it imports nothing of ours."""

from __future__ import annotations

from twisted.application.service import ServiceMaker

exchange = ServiceMaker("pbx", "pbx.service", "The PBX you program in Python.", "pbx")  # type: ignore[no-untyped-call]
