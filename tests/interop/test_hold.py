"""Real phones hold and resume, each as it does it: who is on hold hears music and not the holder; tones prove it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SAMPLE, SECOND_TONE, hears_more, hold, resume, tone_as_music
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange whose music on hold is a tone."""
    prompts = tone_as_music(tmp_path_factory.mktemp("office") / "prompts")
    with Exchange(SAMPLE, ["1001", "1002"], media=f'prompts = "{prompts}"') as exchange:
        yield exchange


def linphone(exchange: Exchange, folder: Path, number: str, tone: int) -> Linphone:
    return Linphone(number, password(number), exchange.address, REALM, folder / number, tone=tone, plain=True)


def baresip(exchange: Exchange, folder: Path, number: str, tone: int) -> Baresip:
    return Baresip(number, password(number), exchange.address, folder / number, tone=tone)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", [baresip, linphone])
def test_who_is_on_hold_hears_music_and_then_the_holder_again(
    running: Exchange, tmp_path: Path, kind: Callable[..., Baresip | Linphone]
) -> None:
    with (
        kind(running, tmp_path, "1001", FIRST_TONE) as holder,
        linphone(running, tmp_path, "1002", SECOND_TONE) as held,
    ):
        eventually(lambda: holder.registered and held.registered, within=10)
        holder.dial("1002")
        held.sees("Receiving new incoming call", within=10)
        held.accept()
        hears_more(held, FIRST_TONE)
        for _ in range(2):
            hold(holder, held)
            resume(holder, held)
        if isinstance(holder, Linphone):
            hears_more(holder, SECOND_TONE)
        holder.hang_up()
        held.sees("ended")
        eventually(lambda: running.figures()["media_ports"] == 0, within=10)
