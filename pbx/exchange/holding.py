"""Holding: a party waits, and hears music instead of whom it talked to. What it says meanwhile reaches nobody."""

from __future__ import annotations

from pbx.exchange.party import Party
from pbx.exchange.speaking import Board, Speaking
from pbx.media.clip import Clip
from pbx.media.sources import Loop
from pbx.media.voice import Voice


class Holding:
    """One party that waits (`pbx.exchange.speaking.SpeakingUser`).

    :param party: it has answered, and is connected to nobody; its call goes on to know what becomes of it.
    :param music: what it hears, again and again; None for silence.
    """

    __slots__ = ("_before", "_music", "_party", "_speaking", "_voice", "ended")

    def __init__(self, board: Board, party: Party, music: Clip | None) -> None:
        self.ended = False
        self._music = music
        self._party = party
        self._before = party.speaker
        self._voice: Voice | None = None
        board.relay.part(party.side)
        self._speaking = party.speaker = Speaking(board, party, self)
        if music is not None:
            self._speaking.voice(False).addCallback(self._play)

    def end(self) -> None:
        """It waits no longer. No harm if done before."""
        self.ended = True
        self._speaking.stop()
        voice, self._voice = self._voice, None
        if voice is not None:
            voice.stop()
        if self._party.speaker is self._speaking:
            self._party.speaker = self._before

    def _play(self, voice: Voice | None) -> None:
        if voice is not None and self._music is not None and not self.ended:
            self._voice = voice
            voice.play(Loop(self._music))

    # What speaking to it asks for

    def tell_progress(self, status: int, sdp: bytes) -> None:
        """It knows."""

    def take(self, sdp: bytes) -> None:
        """It is answered."""

    def give_up(self, status: int, words: str) -> None:
        """It agrees upon nothing that we can play: it hears nothing."""
