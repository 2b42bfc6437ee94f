"""What comes back for a single request of a simulated phone."""

from __future__ import annotations

from collections.abc import Callable

from pbx.sip.headers import Field
from pbx.sip.message import Response


class Reply:
    """What comes back for one request.

    :ivar status: the final status; 0 while there is none.
    :ivar fields: the header fields of that response.
    """

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[Field] = []

    def take(self, response: Response) -> None:
        """The final response."""
        self.status = response.status
        self.fields = response.fields

    def field(self, key: str) -> str:
        """The value of the first field with this key (its name in lower case); "" without any."""
        return next((value for other, _, value in self.fields if other == key), "")


class Once:
    """The user of one request: takes its final response."""

    def __init__(self, answered: Callable[[Response], None]) -> None:
        self._answered = answered

    def response_received(self, response: Response) -> None:
        if response.status >= 200:
            self._answered(response)

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """Nobody answered: the phone stays as it is."""
