"""A phone that answers by itself when asked to: Linphone's library, told what to do by some of linphonec's lines.

What a call asks for, the library says (`linphone_call_asked_to_autoanswer`); linphonec never asks it. Run as a program:

    obedient.py -c RC
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
from typing import Any

_INCOMING = 1  # LinphoneCallIncomingReceived
_REGISTERED = 2  # LinphoneRegistrationOk
_TURN = 0.02  # seconds from one turn of the library to the next


def library() -> Any:
    """liblinphone 5."""
    found = ctypes.CDLL("liblinphone.so.10")
    for name in ("factory_get", "factory_create_core_3", "core_get_current_call", "core_get_default_account"):
        getattr(found, f"linphone_{name}").restype = ctypes.c_void_p
    return found


def main(config: str) -> None:
    """Be that phone until told to quit."""
    phone = library()
    factory = ctypes.c_void_p(phone.linphone_factory_get())
    core = ctypes.c_void_p(phone.linphone_factory_create_core_3(factory, config.encode(), None, None))
    phone.linphone_core_set_use_files(core, 1)
    phone.linphone_core_start(core)
    orders = b""
    while True:
        phone.linphone_core_iterate(core)
        call = ctypes.c_void_p(phone.linphone_core_get_current_call(core))
        if call and phone.linphone_call_get_state(call) == _INCOMING and phone.linphone_call_asked_to_autoanswer(call):
            phone.linphone_call_accept(call)
            print("answered by itself", flush=True)
        if select.select([sys.stdin], [], [], _TURN)[0]:
            orders += os.read(sys.stdin.fileno(), 4096)
        *lines, orders = orders.split(b"\n")
        for line in lines:
            order, _, words = line.partition(b" ")
            if order == b"play":
                phone.linphone_core_set_play_file(core, words)
            elif order == b"record":
                phone.linphone_core_set_record_file(core, words)
            elif order == b"status":
                account = ctypes.c_void_p(phone.linphone_core_get_default_account(core))
                is_registered = phone.linphone_account_get_state(account) == _REGISTERED
                print("registered, identity=" if is_registered else "registered=0", flush=True)
            elif order == b"quit":
                phone.linphone_core_stop(core)
                return


if __name__ == "__main__":
    main(sys.argv[2])
