"""How the native relay is compiled: cffi's API mode, one extension module for all Pythons (PEP 384).

What Python knows of it is a part of `relay.h`, and stands there alone.
"""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

SOURCES = ("packet.c", "latch.c", "reception.c", "port.c", "worker.c")

_BEGINS, _ENDS = "for Python. */", "/* The end of what Python knows. */"
_HEADER = Path(__file__).with_name("relay.h").read_text().partition(_BEGINS)[2].partition(_ENDS)[0]

ffi = FFI()
ffi.cdef("struct address { uint32_t size; uint8_t bytes[28]; ...; };" + _HEADER)
ffi.set_source(
    "pbx.media._native",
    '#include "relay.h"',
    sources=[f"native/{name}" for name in SOURCES],
    depends=["native/relay.h"],
    include_dirs=["native"],
    libraries=["m", "pthread"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra"],
    py_limited_api=True,
)
