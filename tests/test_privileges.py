"""Root is dropped: a port that only root may bind, files of somebody else, nothing of root left. And the unit file."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.privileges import acting_as
from tests.eventually import eventually
from tests.phones.process import Process

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "etc" / "pbx.service"
USER = "nobody"
DIALPLAN = "from pbx.dialplan import Plan\n\nplan = Plan()\n"


def is_open(path: Path) -> bool:
    """Whether anybody may go there."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


@pytest.fixture
def interpreter() -> str:
    """A Python whose library that user can read: imports go on after root is dropped."""
    if os.geteuid() != 0:
        pytest.skip("only root can drop root")
    if is_open(Path(sysconfig.get_path("stdlib")).resolve()) and is_open(Path(sys.prefix)):
        return sys.executable
    systems = shutil.which("python3", path="/usr/bin")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    said = subprocess.run([systems or "false", "--version"], capture_output=True, text=True, check=False).stdout
    if f"Python {version}." not in said or not is_open(Path(sysconfig.get_path("purelib"))):
        pytest.skip(f"{USER} cannot read the Python that runs this")
    assert systems
    return systems


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of that user's."""
    user = pwd.getpwnam(USER)
    with tempfile.TemporaryDirectory(prefix="pbx-") as name:
        made = Path(name)
        (made / "dialplan.py").write_text(DIALPLAN)
        os.chown(made, user.pw_uid, user.pw_gid)
        yield made


def privileged_port() -> int:
    """A UDP port below 1024 that nobody has."""
    for port in range(1023, 900, -1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port")


def test_root_binds_the_sockets_and_is_dropped(interpreter: str, folder: Path) -> None:
    user, port = pwd.getpwnam(USER), privileged_port()
    config = folder / "pbx.toml"
    config.write_text(f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n')
    run = "from twisted.scripts.twistd import run; run()"
    argv = [interpreter, "-c", run, "-n", "--pidfile=", "--uid", USER, "--gid", str(user.pw_gid)]
    environ = {"PYTHONPATH": os.pathsep.join([sysconfig.get_path("purelib"), str(ROOT)])}
    with (
        tempfile.TemporaryDirectory() as elsewhere,
        Process([*argv, "pbx", "--config", config], Path(elsewhere) / "log", cwd=folder, environ=environ) as process,
    ):
        eventually(lambda: "pbx ready" in process.output() or process.status is not None, within=20)
        assert process.status is None, process.tail()
        status = Path(f"/proc/{process.pid}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == [str(user.pw_uid)] * 4
        assert facts["Gid"].split() == [str(user.pw_gid)] * 4
        assert "0" not in facts["Groups"].split()
        assert int(facts["CapEff"], 16) == 0
        owned = {path.name: path.stat().st_uid for path in folder.iterdir() if path.name.startswith("pbx.")}
        assert {owned["pbx.db"], owned["pbx.sock"]} == {user.pw_uid}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.settimeout(5)
            phone.sendto(OPTIONS, ("127.0.0.1", port))
            assert phone.recv(9999).startswith(b"SIP/2.0 200")
        assert process.stop() == 0, process.tail()
    assert not (folder / "pbx.sock").exists()


OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:x@caller.invalid>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def test_files_are_made_as_their_owner_and_root_comes_back(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as somebody else")
    user = pwd.getpwnam(USER)
    tmp_path.chmod(0o777)
    with pytest.raises(ZeroDivisionError), acting_as(user.pw_uid, user.pw_gid):
        assert (os.geteuid(), os.getegid()) == (user.pw_uid, user.pw_gid)
        raise ZeroDivisionError
    assert (os.geteuid(), os.getegid()) == (0, 0)
    with acting_as(None, None):
        assert os.geteuid() == 0


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    copy = tmp_path / "pbx.service"
    # It looks whether the program is there.
    copy.write_text(UNIT.read_text().replace("/opt/pbx/bin/twistd", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_starts_what_the_documents_say() -> None:
    text = UNIT.read_text()
    assert "ExecStart=/opt/pbx/bin/twistd -n --pidfile= pbx --config /etc/pbx/pbx.toml\n" in text
    assert "CapabilityBoundingSet=\n" in text and "NoNewPrivileges=yes\n" in text and "ProtectSystem=strict\n" in text
