"""Kamailio as an outbound proxy, and as a provider.

As a proxy: phones reach the exchange through it, and it stays in every dialog (Record-Route). As an edge proxy it says
in Path that they are reached through it, too (RFC 3327).

Facts about Kamailio 5.6 that this file knows: `-DD` keeps it in the foreground; its children end with their parent;
between two transports it writes two Record-Route fields, one for either side.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.eventually import eventually
from tests.phones.process import Process, free_port
from tests.programs import program

_CONFIG = """\
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:{address}
listen=tcp:{address}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
{modules}
request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    xlog("L_NOTICE", "passing $rm from $si:$sp over $proto\n");
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) t_relay();
        else if (is_method("ACK") && t_check_trans()) t_relay();
        else sl_send_reply("404", "Not Here");
        exit;
    }}
    remove_hf("Route");
    if (is_method("INVITE")) record_route();
    {route}
    t_relay();
}}
"""
_PROXY = """\
    {path}
    if ($hdr(User-Agent) =~ "baresip") $du = "sip:{server};transport={transport}";
"""
_PROVIDER_MODULES = """\
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
"""
_PROVIDER = """\
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("provider.test", "{password}", "0") || $au != "{user}") {{
            xlog("L_NOTICE", "challenged $rm $cs\n");
            www_challenge("provider.test", "1");
            exit;
        }}
        xlog("L_NOTICE", "granted $rm $cs for $hdr(Expires)\n");
        save("location");
        exit;
    }}
    if (is_method("OPTIONS")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if ($rU == "{user}") {{
        if (!lookup("location")) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
    }} else {{
        if (!pv_proxy_authenticate("provider.test", "{password}", "0") || $au != "{user}") {{
            xlog("L_NOTICE", "challenged $rm $cs\n");
            proxy_challenge("provider.test", "1");
            exit;
        }}
        xlog("L_NOTICE", "granted $rm $cs for calls\n");
        consume_credentials();
        $du = "sip:{callee}";
    }}
"""


class Kamailio:
    """One proxy, which is reached over UDP.

    :param server: "address:port" of the exchange.
    :param folder: where its files go; made here.
    :param transport: how it reaches the exchange: "udp" or "tcp".
    :param edge: whether it writes itself into Path, as one that keeps flows (RFC 5626).
    """

    def __init__(self, server: str, folder: Path, transport: str = "udp", edge: bool = False) -> None:
        self._start(
            folder, lambda address: _PROXY.format(server=server, transport=transport, path=_path(address, edge))
        )

    def _start(self, folder: Path, route: Callable[[str], str], modules: str = "") -> None:
        folder.mkdir(parents=True)
        self.address = f"127.0.0.1:{free_port()}"
        config = folder / "kamailio.cfg"
        config.write_text(_CONFIG.format(address=self.address, route=route(self.address), modules=modules))
        argv = [program("kamailio"), "-f", config, "-DD", "-E", "-m", "32", "-M", "4", "-w", folder, "-Y", folder]
        self.process = Process(argv, folder / "log")
        try:
            eventually(self._answers, within=10)
        except BaseException:
            self.process.stop()
            raise

    def _answers(self) -> bool:
        assert self.process.status is None, self.process.tail()
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def passed(self, method: str) -> int:
        """How many requests of a method have passed, also again."""
        return self.process.output().count(f"passing {method} ")

    def said(self, what: str) -> list[str]:
        """What it has done with requests, each once, in order: "challenged" or "granted"."""
        lines = [line.partition(f"{what} ")[2] for line in self.process.output().splitlines() if f": {what} " in line]
        return list(dict.fromkeys(lines))

    def close(self) -> None:
        """Ends it and its children."""
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class KamailioProvider(Kamailio):
    """A provider: a registrar for one account, which asks it for its password, brings it calls to its name, and takes
    its calls to all other numbers.

    :param callee: "address:port" of whoever answers those.
    :param folder: where its files go; made here.
    """

    def __init__(self, callee: str, folder: Path, user: str, password: str) -> None:
        route = _PROVIDER.format(user=user, password=password, callee=callee)
        self._start(folder, lambda address: route, _PROVIDER_MODULES)


def _path(address: str, edge: bool) -> str:
    """How an edge proxy writes itself into Path."""
    return f'if (is_method("REGISTER")) append_hf("Path: <sip:{address};lr;ob>\\r\\n");' if edge else ""
