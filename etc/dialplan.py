"""What the exchange does with a call: one coroutine per call, read from top to bottom. docs/dialplan.md has the words.

etc/examples/ has more: trunks and who takes over when one fails, hours and a night switch, a menu.
"""

from __future__ import annotations

from pbx.dialplan import (
    Answered,
    Busy,
    Call,
    NoAnswer,
    Plan,
    clock_time,
    digits,
    ext,
    mailbox,
    prompt,
    room,
    tone,
    voicemail,
    voicemail_menu,
)

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    """Ring all phones of an extension for twenty seconds; without an answer, take a message."""
    outcome = await call.dial(ext(number), timeout=20)
    if not outcome:
        await call.voicemail(mailbox(number), "busy" if isinstance(outcome, Busy) else "unavailable")


# Leave a message without ringing, and hear one's own.
plan.internal("*95<number:1XXX>")(voicemail())
plan.internal("*97")(voicemail_menu())


@plan.internal("112")
async def emergency(call: Call) -> None:
    """Nobody is reached by this yet: let a trunk carry it, `await call.dial(trunk("acme").to("112"))`."""
    await call.reject(503)


@plan.internal("600")
async def echo(call: Call) -> None:
    """Send the callers their own voice, until they hang up."""
    await call.echo()


@plan.internal("601")
async def menu(call: Call) -> None:
    """Ask what the caller wants; nobody who presses nothing is asked more than twice."""
    match await call.ask(prompt("welcome"), prompt("main-menu"), timeout=5, tries=2):
        case "1" | "2":
            await call.dial(ext("1001"), timeout=20)
        case "0":
            await call.dial(ext("1002"), timeout=20)
        case _:
            await call.play(prompt("goodbye"))


@plan.internal("602")
async def memo(call: Call) -> None:
    """Record a word or two, say when that was, and play it."""
    await call.play(prompt("after-the-tone"))
    recording = await call.record(max=30, silence=3)
    await call.play(prompt("at"), clock_time(call.now), recording)


@plan.internal("603")
async def meeting(call: Call) -> None:
    """Let all who dial this talk to each other; 1001 may lock the room, record, remove others and end it by keys."""
    await call.conference(room("meeting"), leader=call.caller.number == "1001")


FORWARDS = {"21": "forward_always", "61": "forward_no_answer", "62": "forward_unreachable", "67": "forward_busy"}


@plan.internal("*<code:[26][127]>*<number:any>")
async def forward(call: Call, code: str, number: str) -> None:
    """Forward all calls: *21*NUMBER#; when nobody answers: *61*; no phone is registered: *62*; one is busy: *67*."""
    number = number.rstrip("#")
    may = code in FORWARDS and call.may_dial(number)
    if may:
        setattr(call.settings, FORWARDS[code], number)
    await call.play(tone("beep" if may else "congestion"))


@plan.internal("#<code:[26][127]>")
@plan.internal("#<code:[26][127]>#")
async def forward_no_more(call: Call, code: str) -> None:
    """End that: #21#, #61#, #62#, #67#."""
    if code in FORWARDS:
        setattr(call.settings, FORWARDS[code], "")
    await call.play(tone("beep" if code in FORWARDS else "congestion"))


@plan.internal("*#<code:[26][127]>")
@plan.internal("*#<code:[26][127]>#")
async def say_forward(call: Call, code: str) -> None:
    """Say where to: *#21#, *#61#, *#62#, *#67#; one beep for nowhere."""
    number = getattr(call.settings, FORWARDS[code]) if code in FORWARDS else ""
    await call.play(digits(number) if number else tone("beep"))


@plan.internal("*7<code:[89]>")
async def do_not_disturb(call: Call, code: str) -> None:
    """Keep the phones silent: *78; no more: *79."""
    call.settings.do_not_disturb = code == "8"
    await call.play(tone("beep"))


@plan.internal("<mark:[*#]>43#")
async def call_waiting(call: Call, mark: str) -> None:
    """Let calls come in while I talk: *43#; let them find me busy: #43#."""
    call.settings.call_waiting = mark == "*"
    await call.play(tone("beep"))


@plan.internal("*8")
async def pick_up(call: Call) -> None:
    """Answer what rings at a colleague's phone: of those with the same `pickup_group`."""
    if not await call.pick_up():
        await call.reject(404)


@plan.internal("*8<number:1XXX>")
async def pick_up_from(call: Call, number: str) -> None:
    """Answer what rings at this colleague's phone."""
    if not await call.pick_up(ext(number)):
        await call.reject(404)


SLOTS = tuple(f"70{number}" for number in range(1, 10))


@plan.internal("70<number:Z>")
async def slot(call: Call, number: str) -> None:
    """Transfer a call to 701 to park it there; dial 701 to have it again. After two minutes its parker is rung."""
    if call.transferred:
        await park(call, f"70{number}")
    elif not await call.retrieve(f"70{number}"):
        await call.reject(404)


@plan.internal("*70")
async def any_slot(call: Call) -> None:
    """Transfer a call here to park it in the first slot that is free."""
    await (park(call, *SLOTS) if call.transferred else call.reject(404))


async def park(call: Call, *slots: str) -> None:
    """Park who was transferred; ring the parker when nobody has retrieved it, three times; then take a message."""
    for _ in range(3):
        outcome = await call.park(*slots, timeout=120)
        if isinstance(outcome, NoAnswer):
            outcome = await call.dial(ext(call.caller.number), timeout=20)
        if outcome or not call.answered:
            return
    await call.voicemail(mailbox(call.caller.number))


@plan.in_call("*2<number:1XXX>")
async def consult(call: Call, number: str) -> None:
    """Pressed during a conversation, for phones without such buttons: ask a colleague; *1 connects, *3 comes back."""
    async with call.peer.on_hold():
        outcome = await call.ring(ext(number), timeout=25)
        if not isinstance(outcome, Answered):
            await call.play(tone("busy" if isinstance(outcome, Busy) else "congestion"))
        elif await call.talk(outcome.leg, until=("*1", "*3")) == "*1":
            await call.peer.join(outcome.leg)


@plan.in_call("#70")
async def park_other(call: Call) -> None:
    """Pressed during a conversation: park the other one; one hears in which slot, and is hung up."""
    if not await call.transfer("*70"):
        await call.play(tone("congestion"))


@plan.in_call("#1<number:1XXX>")
async def send(call: Call, number: str) -> None:
    """Pressed during a conversation: send the other one to a colleague, and hang up."""
    if not await call.transfer(number):
        await call.play(tone("congestion"))


@plan.outbound("*80<number:1XXX>", allow="intercom")
async def intercom(call: Call, number: str) -> None:
    """Be heard at once: the phone answers by itself. For those who may, for it lets them listen, too."""
    await call.dial(ext(number), timeout=5, intercom=True)


@plan.internal("#31#<number:any>")
async def anonymous(call: Call, number: str) -> None:
    """Call without being named."""
    call.withhold()
    if not await call.follow(number):
        await call.reject(404)
