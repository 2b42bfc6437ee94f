"""How the native relay is compiled: cffi's API mode, one extension module for all Pythons (PEP 384)."""

from __future__ import annotations

from cffi import FFI

SOURCES = ("packet.c", "latch.c", "reception.c", "port.c", "worker.c")

ffi = FFI()
ffi.cdef(
    """
    enum { FORMAT_REFUSED, FORMAT_WITHOUT_CLOCK, FORMAT_EVENTS };
    enum { KEY = 1, SILENT, HEARD_AGAIN };
    enum { TAKE = 1, RECALL, STOP };

    struct address { uint32_t size; uint8_t bytes[28]; ...; };
    struct latch {
        struct address source, signalled, former, signalling_host;
        double since, knocked;
        int64_t heard;
        ...;
    };
    struct reception {
        int64_t ssrc;
        int32_t expected;
        uint32_t timestamp, rate;
        uint64_t lost;
        double arrived, jitter;
        ...;
    };
    struct events { int64_t timestamp; int32_t down; uint32_t duration; double left, counted_at; ...; };
    struct port {
        int32_t rtp, rtcp;
        uint64_t id;
        uint8_t mux, sends, silent;
        struct latch latch;
        struct reception reception;
        struct events events;
        double heard_at;
        uint64_t packets_in, octets_in, packets_out, octets_out, garbage, strange;
        struct address rtcp_signalled, rtcp_source;
        uint32_t formats[128];
        ...;
    };
    struct path { struct port ports[2]; ...; };

    struct worker;
    struct worker *relay_open(int reports, double silence);
    int relay_send(struct worker *worker, int kind, struct path *path);
    void relay_wait(struct worker *worker);
    int relay_turn(struct worker *worker, double now);
    void relay_run(struct worker *worker);
    void relay_close(struct worker *worker);
    """
)
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
