"""How a command asks the running server: one line of JSON through the control socket, and one back."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from pbx.faults import Fault

PATIENCE = 10.0  # seconds, for each step
_START = "start it with `twistd -n --pidfile= pbx --config FILE`"


class NoServer(Fault):
    """Nobody answers at the control socket."""


class Refused(Exception):
    """The server's own sentence why it could not do it."""


def ask(path: Path, command: str, patience: float = PATIENCE, **arguments: object) -> object:
    """Return what the running server answers.

    :param path: the control socket.
    :param patience: seconds for each step.
    :raises Fault: no server answers there.
    :raises Refused: it answers that it could not do it.
    """
    question = json.dumps({"command": command, "arguments": arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.settimeout(patience)
            server.connect(str(path))
            server.sendall(question)
            with server.makefile("rb") as answers:
                line = answers.readline()
        answer = json.loads(line)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoServer("", 0, f"no server is running: nobody answers at {path}", _START) from error
    except PermissionError as error:
        remedy = "run this command as the user that runs the server"
        raise Fault("", 0, f"this user may not use the control socket {path}", remedy) from error
    except TimeoutError as error:
        raise Fault("", 0, f"the server does not answer at {path}", "look into its log") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise Fault("", 0, f"the server cannot be asked at {path}: {reason}", "look into its log") from error
    match answer:
        case {"result": result}:
            return result
        case {"error": str(sentence)}:
            raise Refused(sentence)
    raise Fault("", 0, f"what answers at {path} is no pbx", "name the right control socket")
