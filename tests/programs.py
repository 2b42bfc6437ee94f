"""The programs that we did not write: which Debian package holds each, and what happens when one is missing.

`python -m tests.programs` (part of `make test`) installs what is missing, if it runs as root on Debian.
A test says `program("sipp")`: without it the test is skipped aloud, and fails under `CI=true`, where nothing
may be left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = {
    "baresip": "baresip-core",
    "chromium": "chromium",
    "espeak-ng": "espeak-ng",
    "initdb": "postgresql",
    "ip": "iproute2",
    "kamailio": "kamailio",
    "linphonec": "linphone-cli",
    "postgres": "postgresql",
    "rtpengine": "rtpengine-daemon",
    "sipp": "sip-tester",
    **dict.fromkeys(("svcrack", "svmap", "svwar"), "sipvicious"),
}


def found(name: str) -> str | None:
    """Return the path of a program; Debian keeps those of each version of PostgreSQL out of the search path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    places = [os.environ.get("PATH", os.defpath), *map(str, reversed(versions))]
    return shutil.which(name, path=os.pathsep.join(places))


def program(name: str) -> str:
    """Return the path of a program that the test needs; skip the test without it, or fail under `CI=true`."""
    if path := found(name):
        return path
    leave_out(f"{name} is not installed (Debian package {PACKAGES[name]})")


def leave_out(why: str) -> NoReturn:
    """Skip the test, or fail under `CI=true`."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}, and CI=true leaves nothing out", pytrace=False)
    pytest.skip(why)


def install(missing: list[str]) -> str:
    """Install the packages of the missing programs and return "", or return why that was not possible."""
    packages = list(dict.fromkeys([PACKAGES[name] for name in missing]))
    if os.geteuid() != 0:
        return f"not root; `sudo apt-get install {' '.join(packages)}` brings them"
    if shutil.which("apt-get") is None:
        return f"no apt-get here; their Debian packages are {' and '.join(packages)}"
    print(f"Running as root: installing {' and '.join(packages)} through apt-get.", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    steps = ["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]
    for step in steps:
        # An `update` may fail for one of many sources; whether that matters, `install` tells.
        failed = subprocess.run(["apt-get", *step], check=False, stdout=subprocess.DEVNULL, env=quiet).returncode
    return "apt-get could not install them; it says why above" if failed else ""


def main() -> None:
    """Install what is missing; say what is left out and why. Whether that is a failure, each test decides."""
    if missing := [name for name in PACKAGES if found(name) is None]:
        if why := install(missing):
            print(f"Left out: the tests with {' and '.join(missing)} ({why}).", file=sys.stderr)


if __name__ == "__main__":
    main()
