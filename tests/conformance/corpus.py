"""The published messages, as files and as they go over the wire (see README.md beside this)."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = ("rfc4475", "rfc5118")


def names(folder: str) -> list[str]:
    """The messages of one RFC."""
    return sorted(path.stem for path in (HERE / folder).glob("*.dat"))


def published(folder: str, name: str) -> bytes:
    """One message as it was published."""
    return (HERE / folder / f"{name}.dat").read_bytes()


def on_the_wire(folder: str, name: str) -> bytes:
    """One message as it is sent: its lines end in CRLF, its head in an empty line, its body where it says."""
    packet = published(folder, name)
    if b"\r\n" not in packet:
        head, _, body = packet.replace(b"\n", b"\r\n").partition(b"\r\n\r\n")
        head = re.sub(rb"(?<=Content-Length: )[0-9]+", str(len(body)).encode(), head)
        packet = b"\r\n\r\n".join((head.removesuffix(b"\r\n"), body))
    return packet if b"\r\n\r\n" in packet else packet + b"\r\n"
