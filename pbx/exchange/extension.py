"""An extension as the running exchange knows it: a row of the table `extensions`, without any password."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extension:
    """One account that a phone registers with.

    :param number: the extension number, also the user name of its phones, unique across domains.
    :param name: the display name shown to those it calls.
    :param ha1_md5: lower-case hexadecimal MD5(number:realm:password), or "" when there is none.
    :param ha1_sha256: lower-case hexadecimal SHA-256(number:realm:password), or "" when there is none.
    :param enabled: a disabled extension can neither register nor call.
    :param class_of_service: the words of what it may do beyond calling its colleagues, such as "international".
    :param caller_id: the number shown to those it calls outside; "" for none of its own.
    :param max_contacts: how many phones may register for it; None: as many as the configuration allows.
    :param max_calls: how many calls it may have at once; None: as many as the configuration allows.
    :param tls_only: whether its phones must register and call over TLS.
    :param do_not_disturb: whether its phones stay silent.
    :param voicemail: whether it has a mailbox.
    :param forward_always: where all its calls go; "" when they ring at its phones, and likewise for the others.
    :param forward_busy: where they go while it is busy.
    :param forward_no_answer: where they go when nobody answers.
    :param forward_no_answer_after: how long it rings before that, in seconds.
    :param forward_unreachable: where they go while no phone is registered.
    :param call_waiting: whether a call reaches it while it is in another one.
    :param pickup_group: whoever has the same word here may pick up the calls that ring at its phones; "" for nobody.
    """

    number: str
    name: str
    ha1_md5: str
    ha1_sha256: str
    enabled: bool = True
    class_of_service: frozenset[str] = frozenset()
    caller_id: str = ""
    max_contacts: int | None = None
    max_calls: int | None = None
    tls_only: bool = False
    do_not_disturb: bool = False
    voicemail: bool = True
    forward_always: str = ""
    forward_busy: str = ""
    forward_no_answer: str = ""
    forward_no_answer_after: int = 20
    forward_unreachable: str = ""
    call_waiting: bool = True
    pickup_group: str = ""

    @property
    def most_calls(self) -> int | None:
        """How many calls reach it at once; None for any number."""
        return self.max_calls if self.call_waiting else 1

    def may_pick_up(self, other: Extension, answered: bool) -> bool:
        """Whether it may take over a call of another one: its own with another phone; a colleague's while it rings.

        :param answered: whether that one has answered it already.
        """
        if self.number == other.number:
            return True
        return not answered and bool(self.pickup_group) and self.pickup_group == other.pickup_group

    def may(self, word: str) -> bool:
        """Whether its class of service has this word: `may("international")`."""
        return word in self.class_of_service
