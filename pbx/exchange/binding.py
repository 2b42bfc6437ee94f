"""A binding: one contact address at which an address-of-record is reached for a while (RFC 3261 section 10)."""

from __future__ import annotations

from typing import NamedTuple

Key = tuple[str, str, int]
"""Contact, instance and reg-id."""


class Binding(NamedTuple):
    """One row of the table `bindings`.

    :param number: the extension whose phone this is.
    :param contact: the Contact URI exactly as the phone wrote it.
    :param q: the contact's preference, 0.0 to 1.0.
    :param call_id: Call-ID of the REGISTER that made or refreshed it (RFC 3261 10.3 step 7).
    :param cseq: its CSeq number.
    :param expires_at: when it ends, seconds since 1970.
    :param transport: "UDP", "TCP" or "TLS".
    :param local_host: our address to which the phone sent the REGISTER.
    :param local_port: our port there.
    :param remote_host: the address from which the REGISTER came: the phone is called there, whatever its Contact says.
    :param remote_port: its port.
    :param user_agent: the phone's User-Agent field, for people.
    :param registered_at: when it was first registered, seconds since 1970.
    :param aor: the address-of-record as To named it; "" where an older version has stored the row.
    :param path: the Path values, separated by commas: the route set of requests to this phone (RFC 3327); "" for none.
    :param instance: the URN of the phone (`+sip.instance`, RFC 5626 4.1), without angle brackets; "" when it has none.
    :param reg_id: which of the phone's flows this is (RFC 5626 4.2); 0 for a phone that does not manage its flows.
    """

    number: str
    contact: str
    q: float
    call_id: str
    cseq: int
    expires_at: float
    transport: str
    local_host: str
    local_port: int
    remote_host: str
    remote_port: int
    user_agent: str
    registered_at: float
    aor: str = ""
    path: str = ""
    instance: str = ""
    reg_id: int = 0

    @property
    def key(self) -> Key:
        """What tells it from the other bindings of its extension.

        Two flows of one phone may have the same Contact, and so may two phones behind different NATs.
        """
        return (self.contact, self.instance, self.reg_id)

    @property
    def phone(self) -> str:
        """What tells its phone from the others of the extension: flows of one instance are one phone (RFC 5626 3)."""
        return self.instance or self.contact

    @property
    def is_secure(self) -> bool:
        """Whether the phone wants to be called over TLS only (RFC 3261 26.2.2)."""
        return self.contact[:5].lower() == "sips:"
