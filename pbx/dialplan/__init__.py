"""What a dialplan imports: the plan, the call, the targets, and how attempts end."""

from __future__ import annotations

from pbx.dialplan.call import Call
from pbx.dialplan.driver import HungUp
from pbx.dialplan.plan import Plan
from pbx.dialplan.routes import redirect, voicemail, voicemail_menu
from pbx.exchange.group import group
from pbx.exchange.leg import Leg
from pbx.exchange.outcome import Answered, Busy, Declined, Failed, NoAnswer, Outcome, Unreachable
from pbx.exchange.target import ext, trunk, uri
from pbx.exchange.transfer import Transfer
from pbx.features.conference.room import Room, room
from pbx.features.voicemail.mailbox import mailbox
from pbx.media.sounds import Recording, clock_time, date, digits, number, prompt, tone

__all__ = [
    "Answered",
    "Busy",
    "Call",
    "Declined",
    "Failed",
    "HungUp",
    "Leg",
    "NoAnswer",
    "Outcome",
    "Plan",
    "Recording",
    "Room",
    "Transfer",
    "Unreachable",
    "clock_time",
    "date",
    "digits",
    "ext",
    "group",
    "mailbox",
    "number",
    "prompt",
    "redirect",
    "room",
    "tone",
    "trunk",
    "uri",
    "voicemail",
    "voicemail_menu",
]
