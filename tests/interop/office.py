"""A small office: the sample dialplan, two phones that send different tones, and a conversation between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone
from tests.phones.tone import write_tone

SAMPLE = (Path(__file__).parents[2] / "etc" / "dialplan.py").read_text()
FIRST_TONE, SECOND_TONE, MUSIC_TONE = 440, 600, 1230
Phones = tuple[Baresip, Baresip]


@contextmanager
def two_phones(
    exchange: Exchange, transport: str = "udp", outbound: str = "", srtp: tuple[str, str] = ("", "")
) -> Iterator[Phones]:
    """1001, which sends `FIRST_TONE`, and 1002, which sends `SECOND_TONE`, both registered.

    :param transport: how they reach the exchange.
    :param srtp: what either does of SRTP (`Baresip`).
    :param outbound: "address:port" of a proxy on the way; "": there is none.
    """
    at, folder = exchange.addresses[transport], exchange.folder / f"{transport}{outbound}{'-'.join(srtp)}"
    with (
        Baresip("1001", password("1001"), at, folder / "1001", tone=FIRST_TONE, transport=transport,
                outbound=outbound, srtp=srtp[0]) as first,
        Baresip("1002", password("1002"), at, folder / "1002", tone=SECOND_TONE, transport=transport,
                outbound=outbound, srtp=srtp[1]) as second,
    ):  # fmt: skip
        eventually(lambda: first.registered and second.registered, within=5)
        yield first, second


def talk(phones: Phones) -> None:
    """1001 calls 1002, and both hear a second of the other's tone."""
    caller, callee = phones
    for phone in phones:
        phone.forget()
    calls = len(caller.heard(SECOND_TONE))
    caller.dial("1002")
    callee.sees("CALL_INCOMING")
    caller.sees("CALL_RINGING")
    callee.accept()
    caller.sees("CALL_ESTABLISHED")
    callee.sees("CALL_ESTABLISHED")
    hears(caller, SECOND_TONE, calls)
    hears(callee, FIRST_TONE, calls)


def hears(phone: Baresip, tone: int, calls: int) -> None:
    """Waits until a phone that has recorded so many `calls` has heard a second of the tone in one more."""

    def heard() -> bool:
        now = phone.heard(tone)[calls:]
        return len(now) == 1 and now[0] >= 1

    eventually(heard, within=5)


def hears_more(phone: Linphone, tone: int) -> None:
    """Waits until a phone has heard one more second of a tone than it has now."""
    before = phone.heard(tone)
    eventually(lambda: phone.heard(tone) >= before + 1, within=10)


def hold(holder: Baresip | Linphone, held: Linphone) -> None:
    """One phone puts the other on hold, which hears the music and not the holder from then on.

    :param held: a Linphone that is `plain`, since the recording of a baresip does not outlive a change of the call.
    """
    if isinstance(holder, Linphone):
        holder.pause()
    else:
        holder.order("hold")
    hears_more(held, MUSIC_TONE)
    said = held.heard(FIRST_TONE)
    hears_more(held, MUSIC_TONE)
    assert held.heard(FIRST_TONE) == said


def resume(holder: Baresip | Linphone, held: Linphone) -> None:
    """It takes the call up again, the first that it has made; the other one hears it."""
    if isinstance(holder, Linphone):
        holder.resume(1)
    else:
        holder.order("resume")
    hears_more(held, FIRST_TONE)


def tone_as_music(folder: Path) -> Path:
    """Make a folder of prompts in which the music on hold is a tone; return it."""
    (folder / "music").mkdir(parents=True)
    write_tone(folder / "music" / "hold.wav", MUSIC_TONE, seconds=10)
    return folder
