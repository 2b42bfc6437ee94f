"""pbx.certificates: what is wrong with the files of [tls] is said in one line; what changes in them is taken over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pbx import config
from pbx.certificates import LOOK, Certificates, read
from pbx.config import Config
from pbx.faults import Fault
from pbx.testing.clock import VirtualClock
from tests.sip.authority import Authority, pem

AUTHORITY = Authority()
TEXT = """\
[sip]
listen = ["tls:127.0.0.1:0"]

[tls]
certificate = "cert.pem"
key = "key.pem"
ca = "ca.pem"
"""


class Office:
    """A configuration with its files, and what is read from them."""

    def __init__(self, folder: Path, days: float = 30) -> None:
        self.folder = folder
        self.file = folder / "pbx.toml"
        self.file.write_text(TEXT)
        self.clock = VirtualClock()
        AUTHORITY.write(folder, "one.example.com", days=days)

    @property
    def config(self) -> Config:
        return config.load(self.file)

    def fault(self) -> str:
        with pytest.raises(Fault) as caught:
            read(self.config)
        return str(caught.value).replace(f"{self.folder}/", "")

    def renew(self, *parts: str) -> None:
        """Write files of another certificate, as programs do that renew them."""
        AUTHORITY.write(self.folder / "new", "two.example.com")
        for part in parts:
            os.replace(self.folder / "new" / part, self.folder / part)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    (tmp_path / "new").mkdir()
    return Office(tmp_path)


@pytest.fixture
def certificates(office: Office):
    one = Certificates(office.config, office.clock)
    one.watch(office.clock)
    yield one
    one.stop()
    assert office.clock.pending == []


def test_without_a_certificate_there_is_no_tls() -> None:
    nothing = config.parse("", "pbx.toml")
    clock = VirtualClock()
    one = Certificates(nothing, clock)
    assert one.security is None
    one.watch(clock)
    one.use(nothing, None)
    one.stop()
    assert clock.pending == []


@pytest.mark.parametrize(("part", "line"), [("cert.pem", 5), ("key.pem", 6), ("ca.pem", 7)])
def test_missing_file_is_named_with_its_option(office: Office, part: str, line: int) -> None:
    (office.folder / part).unlink()
    assert office.fault() == f"pbx.toml:{line}: {part} cannot be read: No such file or directory; name a file that can"


@pytest.mark.parametrize(("part", "line"), [("cert.pem", 5), ("key.pem", 6), ("ca.pem", 7)])
def test_file_with_something_else_is_named_with_its_option(office: Office, part: str, line: int) -> None:
    (office.folder / part).write_text("a letter to my aunt")
    assert office.fault().startswith(f"pbx.toml:{line}: {part} holds no ")


def test_unreadable_file_is_named_with_its_option(office: Office) -> None:
    (office.folder / "key.pem").unlink()
    (office.folder / "key.pem").mkdir()
    assert office.fault().startswith("pbx.toml:6: key.pem cannot be read: Is a directory; ")


def test_key_of_another_certificate_is_refused(office: Office) -> None:
    office.renew("key.pem")
    expected = "pbx.toml:6: the key in key.pem is that of another certificate; name the two that belong together"
    assert office.fault() == expected


def test_key_that_is_missing_beside_its_certificate_blames_the_certificates_file(office: Office) -> None:
    office.file.write_text('[tls]\ncertificate = "cert.pem"\n')
    assert office.fault().startswith("pbx.toml:1: cert.pem holds no private key; ")


def test_renewed_certificate_is_taken_when_its_files_have_settled(office: Office, certificates: Certificates) -> None:
    before = certificates.security._contexts
    office.renew("cert.pem")
    office.clock.advance(LOOK)
    office.renew("cert.pem", "key.pem")
    office.clock.advance(LOOK)
    assert certificates.security._contexts is before
    office.clock.advance(LOOK)
    after = certificates.security._contexts
    assert after is not before
    office.clock.advance(10 * LOOK)
    assert certificates.security._contexts is after


def test_file_that_is_touched_and_put_back_changes_nothing(office: Office, certificates: Certificates) -> None:
    before = certificates.security._contexts
    times = (office.folder / "cert.pem").stat()
    os.utime(office.folder / "cert.pem", (1, 1))
    office.clock.advance(LOOK)
    os.utime(office.folder / "cert.pem", ns=(times.st_atime_ns, times.st_mtime_ns))
    office.clock.advance(10 * LOOK)
    assert certificates.security._contexts is before


def test_change_for_the_worse_is_logged_once_and_changes_nothing(
    office: Office, certificates: Certificates, logged_errors
) -> None:
    before = certificates.security._contexts
    (office.folder / "key.pem").unlink()
    office.clock.advance(20 * LOOK)
    (event,) = logged_errors()
    assert "key.pem cannot be read" in event["fault"]
    assert certificates.security._contexts is before
    office.renew("cert.pem", "key.pem")
    office.clock.advance(2 * LOOK)
    assert certificates.security._contexts is not before


def test_another_configuration_brings_other_files(office: Office, certificates: Certificates) -> None:
    office.renew("cert.pem", "key.pem")
    for part in ("cert.pem", "key.pem"):
        os.replace(office.folder / part, office.folder / f"other-{part}")
    AUTHORITY.write(office.folder, "one.example.com")
    office.file.write_text(TEXT.replace('"cert', '"other-cert').replace('"key', '"other-key'))
    new = office.config
    contexts = read(new)
    certificates.use(new, contexts)
    assert certificates.security._contexts is contexts
    (office.folder / "cert.pem").write_bytes(pem(AUTHORITY.certificate))  # the old one is nobody's concern
    office.clock.advance(10 * LOOK)
    assert certificates.security._contexts is contexts


@pytest.mark.parametrize(("days", "words"), [(10.5, "expires in "), (-1, "has expired"), (40, None)])
def test_certificate_that_ends_soon_is_warned_of(tmp_path: Path, monkeypatch, days: float, words: str | None) -> None:
    office = Office(tmp_path, days)
    one = Certificates(office.config, office.clock)
    warned: list[str] = []
    monkeypatch.setattr(
        one, "log", type("Log", (), {"warn": staticmethod(lambda _, **facts: warned.append(facts["words"]))})
    )
    expires_at = one._contexts.expires_at
    office.clock.advance(max(0.0, expires_at - days * 86400 - office.clock.seconds()))
    one.watch(office.clock)
    one.stop()
    assert bool(warned) is (words is not None)
    assert words is None or words in warned[0]
