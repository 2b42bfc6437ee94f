"""What the features keep for all calls of an exchange; `Call`'s verbs find it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pbx.exchange.settings import Settings
from pbx.features.conference.conferences import Conferences
from pbx.features.parking import Parking
from pbx.features.voicemail.boxes import Voicemail


@dataclass(frozen=True, slots=True)
class Features:
    """One exchange's.

    :param conferences: the conferences that go on.
    :param voicemail: the mailboxes.
    :param parking: the calls that are parked.
    :param settings: what the user of an extension, by its number, can set for it.
    """

    conferences: Conferences
    voicemail: Voicemail
    parking: Parking
    settings: Callable[[str], Settings]
