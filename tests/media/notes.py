"""Who writes down what a side tells of its phone (`pbx.media.side.Side.user`)."""

from __future__ import annotations

from pbx.media.side import Side, StreamFacts


class Notes:
    """Keeps everything.

    :ivar keys: the keys, in their order.
    :ivar silent: True for each silence, False for its end.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.silent: list[bool] = []

    def key_received(self, side: Side, key: str) -> None:
        """A key was pressed."""
        self.keys.append(key)

    def fell_silent(self, side: Side, facts: StreamFacts) -> None:
        """Nothing comes any more."""
        self.silent.append(True)

    def heard_again(self, side: Side, facts: StreamFacts) -> None:
        """Something comes again."""
        self.silent.append(False)
