/* The native relay: what pbx/media/port.py does for two joined ports, by the same rules, in a thread of its own.
 *
 * A port is here as a value, which Python fills in before it lends the two ports of a path and reads when it has
 * recalled them. Meanwhile only the thread that has the path touches it: nothing on a packet's way takes a lock.
 */
#ifndef PBX_RELAY_H
#define PBX_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SMALLEST_RTP 12  /* RFC 3550 section 5.1 */
#define SMALLEST_RTCP 8  /* RFC 3550 section 6.4.2 */
#define LARGEST 2048     /* more than any link carries unfragmented: nobody's RTP */
#define NONE (-1)

/* A socket address as the kernel writes it; size 0 is no address at all. */
struct address {
    uint32_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        uint8_t bytes[sizeof(struct sockaddr_in6)];
    };
};

/* native/build.py reads the following, up to its end, for Python. */

/* What `formats` says of a payload type, unless it is the clock rate in Hz by which its timestamps tell the time. */
enum { FORMAT_REFUSED, FORMAT_WITHOUT_CLOCK, FORMAT_EVENTS };

/* pbx/media/latch.py */
struct latch {
    struct address source, signalled, former, signalling_host;
    double since, knocked;
    int64_t heard;
};

/* pbx/media/reception.py */
struct reception {
    int64_t ssrc;
    int32_t expected;
    uint32_t timestamp, rate;
    uint64_t lost;
    double arrived, jitter;
};

/* pbx/media/telephone_event.py */
struct events {
    int64_t timestamp;
    int32_t down;
    uint32_t duration;
    double left, counted_at;
};

/* pbx/media/port.py */
struct port {
    int32_t rtp, rtcp; /* sockets */
    uint64_t id;       /* Python's name for it */
    struct port *peer; /* set by the thread */
    uint32_t turn;     /* the thread's last one in which something came */
    uint8_t mux, sends, silent;
    struct latch latch;
    struct reception reception;
    struct events events;
    double heard_at, flooded_at;
    uint64_t packets_in, octets_in, packets_out, octets_out, garbage, strange;
    struct address rtcp_signalled, rtcp_source;
    uint32_t formats[128];
};

/* Two joined ports. */
struct path {
    struct port ports[2];
    struct path *next, *previous; /* the thread's list */
    uint8_t deaf;                 /* a socket cannot be watched: Python is asked to take the path back */
};

/* What a port tells. */
enum { KEY = 1, SILENT, HEARD_AGAIN, DEAF };

/* worker.c: what Python calls */
struct worker;
enum { TAKE = 1, RECALL, STOP };
struct worker *relay_open(int reports, double silence);
int relay_send(struct worker *worker, int kind, struct path *path);
void relay_wait(struct worker *worker);
int relay_turn(struct worker *worker, double now);
void relay_run(struct worker *worker);
void relay_close(struct worker *worker);

/* The end of what Python knows. */

/* What goes through the pipe of reports. */
struct report {
    uint64_t id;
    uint32_t kind, value;
};

/* packet.c */
struct rtp {
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    bool marker;
    size_t start, end; /* of the payload */
};
bool rtp_read(const uint8_t *packet, size_t size, struct rtp *header);
bool is_rtcp(const uint8_t *packet, size_t size);

/* latch.c */
bool address_equal(const struct address *one, const struct address *other);
bool endpoint_equal(const struct address *one, const struct address *other);
bool host_equal(const struct address *one, const struct address *other);
const struct address *latch_target(const struct latch *latch);
void latch_forget(struct latch *latch);
bool latch_admits(struct latch *latch, const struct address *source, int64_t heard, bool expected,
                  double now);

/* reception.c */
void reception_restart(struct reception *reception);
bool reception_count(struct reception *reception, const struct rtp *header, uint32_t rate, double now);
void events_forget(struct events *events);
int32_t events_heard(struct events *events, const struct rtp *header, const uint8_t *packet, double now);

/* port.c */
enum verdict { DROP, FORWARD_RTP, FORWARD_RTCP };
enum verdict rtp_received(struct port *port, const uint8_t *packet, size_t size, const struct address *source,
                          double now, int32_t *key);
enum verdict rtcp_received(struct port *port, const uint8_t *packet, size_t size, const struct address *source);
bool rtcp_target(const struct port *port, struct address *target);

#endif
