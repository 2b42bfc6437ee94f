"""The two errors of the stack: one is the peer's fault, the other is ours. No third kind leaves `pbx.sip`."""

from __future__ import annotations


class Malformed(Exception):
    """The peer sent something that the grammar or the protocol does not allow.

    It carries the status that tells the peer so. It is caught in two places only: the edge (nothing can be answered:
    drop and count) and the transaction layer (answer without state).

    :param status: the response's status code, 400 to 699.
    :param why: the sentence that says what is wrong; it becomes the reason phrase.
    :ivar more: the header fields that tell the peer what would do.
    """

    more: tuple[tuple[str, str, str], ...] = ()

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why

    def __str__(self) -> str:
        return f"{self.status} {self.why}"


class Refused(Malformed):
    """A request that is refused with more than a status.

    :param more: the header fields that tell the peer what would do, such as Allow or Unsupported.
    """

    def __init__(self, status: int, *more: tuple[str, str, str]) -> None:
        super().__init__(status, "")
        self.more = more


class InvalidState(Exception):
    """Our own code asked a machine for what its state does not allow. Never caught: it is a bug."""
