"""A binding: one contact address at which an address-of-record is reached for a while (RFC 3261 section 10)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Binding:
    """One row of the table `bindings`.

    :param number: the extension whose phone this is.
    :param contact: the Contact URI exactly as the phone wrote it; with `number` it is the row's key.
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

    @property
    def is_secure(self) -> bool:
        """Whether the phone wants to be called over TLS only (RFC 3261 26.2.2)."""
        return self.contact[:5].lower() == "sips:"
