"""What a run of the `pbx` command in our own process leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it printed with `--json`."""
        assert self.status == 0, self.err
        rows: list[dict[str, Any]] = json.loads(self.out)
        return rows

    @property
    def sentence(self) -> str:
        """The one sentence of a failure."""
        assert self.status != 0
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.rstrip("\n")


Pbx = Callable[..., Done]
