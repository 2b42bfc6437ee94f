"""Music: whom the other party has put on hold hears music instead of what that one says, and says nothing to it."""

from __future__ import annotations

from pbx.exchange.party import Party
from pbx.media.library import Library, NoSound
from pbx.media.relay import Relay
from pbx.media.sources import Loop


def play(relay: Relay, library: Library, held: Party) -> None:
    """Play to a party that is on hold, as long as the two do not agree upon something else."""
    held.side.part()
    try:
        clip = library.prompt("music/hold")
    except NoSound:
        return
    voice = relay.voice(held.side)
    if voice is not None:
        voice.play(Loop(clip))
