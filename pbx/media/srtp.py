"""SRTP and SRTCP of one stream (RFC 3711) between us and one phone, by libsrtp: packets are sealed on their way to it
and opened on their way from it. What is forged, replayed or of another key opens to nothing.

The keys end here: they are handed to the library, and nothing else ever sees them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pbx.media.rtp import Packet
from pbx.media.sdes import Crypto

try:
    _library: Any = import_module("pylibsrtp")
except ImportError:
    _library = None

# Each source has its own state in the library, made with its first packet and kept as long as the key, since its
# indices must not begin again (RFC 3711 section 9.1). Who sends under more sources than any phone has is not heard.
MOST_SOURCES = 256
_PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": "SRTP_PROFILE_AES128_CM_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32": "SRTP_PROFILE_AES128_CM_SHA1_32",
    "AEAD_AES_128_GCM": "SRTP_PROFILE_AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM": "SRTP_PROFILE_AEAD_AES_256_GCM",
}


def is_there() -> bool:
    """Whether the library is installed (the extra `srtp`)."""
    return _library is not None


class Direction:
    """One direction: all that is sent, or received, by one key.

    :param inbound: whether this is what comes from the phone.
    """

    __slots__ = ("_session", "_sources", "crypto")

    def __init__(self, crypto: Crypto, *, inbound: bool) -> None:
        self.crypto = crypto
        policy = _library.Policy
        self._session = _library.Session(
            policy(
                crypto.key,
                policy.SSRC_ANY_INBOUND if inbound else policy.SSRC_ANY_OUTBOUND,
                srtp_profile=getattr(policy, _PROFILES[crypto.suite]),
            )
        )
        self._sources: set[bytes] = set()

    def pass_rtp(self, packet: Packet, work: str) -> bytes | None:
        """Seal or open an RTP packet; None when the library refuses it.

        :param work: the library's name for what is to be done.
        """
        return self._passed(bytes(packet), packet[8:12], work)

    def pass_rtcp(self, packet: Packet, work: str) -> bytes | None:
        """The same for RTCP."""
        return self._passed(bytes(packet), packet[4:8], work)

    def _passed(self, packet: bytes, source: Packet, work: str) -> bytes | None:
        source = bytes(source)
        if source not in self._sources and len(self._sources) >= MOST_SOURCES:
            return None
        try:
            passed: bytes = getattr(self._session, work)(packet)
        except (_library.Error, ValueError):  # the latter when it is longer than the library's buffer
            return None
        self._sources.add(source)
        return passed


class Seal:
    """Both directions of one stream.

    :param ours: the key by which we send.
    :param theirs: the key by which the phone sends.
    """

    __slots__ = ("_inward", "_outward")

    def __init__(self, ours: Crypto, theirs: Crypto) -> None:
        self._outward = Direction(ours, inbound=False)
        self._inward = Direction(theirs, inbound=True)

    @property
    def ours(self) -> Crypto:
        """The key by which we send."""
        return self._outward.crypto

    def rekey(self, ours: Crypto, theirs: Crypto) -> None:
        """Keys were agreed upon again. A direction whose key stays goes on where it was: its indices must not begin
        again, and what was replayed before stays replayed."""
        if not _is_same(self._outward.crypto, ours):
            self._outward = Direction(ours, inbound=False)
        if not _is_same(self._inward.crypto, theirs):
            self._inward = Direction(theirs, inbound=True)

    def seal_rtp(self, packet: Packet) -> bytes | None:
        """The packet as the phone is to get it; None when it must not be sent."""
        return self._outward.pass_rtp(packet, "protect")

    def seal_rtcp(self, packet: Packet) -> bytes | None:
        """The same for RTCP."""
        return self._outward.pass_rtcp(packet, "protect_rtcp")

    def open_rtp(self, packet: Packet) -> bytes | None:
        """The packet as the phone wrote it; None when it is not the phone's, or was here before."""
        return self._inward.pass_rtp(packet, "unprotect")

    def open_rtcp(self, packet: Packet) -> bytes | None:
        """The same for RTCP."""
        return self._inward.pass_rtcp(packet, "unprotect_rtcp")


def _is_same(one: Crypto, other: Crypto) -> bool:
    return (one.suite, one.key) == (other.suite, other.key)
