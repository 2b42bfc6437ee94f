"""Root, for as long as it takes: sockets are bound by whoever started us, files are made as the user who will own them.

`twistd --uid` and `--gid` drop root for good once everything is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def acting_as(uid: int | None, gid: int | None) -> Iterator[None]:
    """Do as another user what is done inside; as ourselves where there is none, or we are not root.

    :param uid: as which user; None for whoever we are.
    :param gid: as which group.
    """
    if os.geteuid() != 0:
        yield
        return
    group = os.getegid()
    if gid is not None:
        os.setegid(gid)
    try:
        if uid is not None:
            os.seteuid(uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
