/* The latch of symmetric RTP: pbx/media/latch.py says its rules and why they are so. */
#include <string.h>

#include "relay.h"

#define WINDOW 2.0   /* seconds in which a better source may take over */
#define PATIENCE 0.5 /* seconds that a source must keep sending where it may not latch at once */

/* Ranks of sources. */
enum rank { FORMER, STRANGER, KNOWN, SIGNALLED };

bool address_equal(const struct address *one, const struct address *other) {
    return one->size == other->size && one->size != 0 && memcmp(one->bytes, other->bytes, one->size) == 0;
}

bool host_equal(const struct address *one, const struct address *other) {
    if (one->size == 0 || other->size == 0 || one->any.sa_family != other->any.sa_family)
        return false;
    if (one->any.sa_family == AF_INET)
        return one->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr;
    return memcmp(&one->v6.sin6_addr, &other->v6.sin6_addr, sizeof one->v6.sin6_addr) == 0;
}

/* The same host and port: signalling says neither flow nor scope. */
bool endpoint_equal(const struct address *one, const struct address *other) {
    return host_equal(one, other) && one->v4.sin_port == other->v4.sin_port; /* at the same place in both families */
}

static bool is_known(const struct latch *latch, const struct address *source) {
    return host_equal(source, &latch->signalling_host) || host_equal(source, &latch->signalled);
}

static enum rank rank_of(const struct latch *latch, const struct address *source) {
    if (endpoint_equal(source, &latch->signalled))
        return SIGNALLED;
    if (address_equal(source, &latch->former))
        return FORMER;
    return is_known(latch, source) ? KNOWN : STRANGER;
}

const struct address *latch_target(const struct latch *latch) {
    return latch->source.size ? &latch->source : &latch->signalled;
}

/* Believe nothing of what is known. */
void latch_forget(struct latch *latch) {
    latch->source.size = latch->signalled.size = latch->former.size = 0;
    latch->heard = NONE;
}

/* Whether a valid packet from another address than the source may latch; if so, it has. */
bool latch_admits(struct latch *latch, const struct address *source, int64_t heard, bool expected, double now) {
    bool at_once;
    if (latch->source.size == 0) {
        at_once = rank_of(latch, source) != STRANGER;
    } else {
        enum rank new = rank_of(latch, source), old = rank_of(latch, &latch->source);
        at_once = new > old && (now < latch->since + WINDOW || (old <= STRANGER && new > STRANGER));
    }
    if (!at_once) {
        if (latch->source.size == 0 && !expected)
            return false;
        if (heard != latch->heard) {
            /* The present source has sent since the last knock, or this is the first: patience starts here. */
            latch->heard = heard;
            latch->knocked = now;
            return false;
        }
        if (now < latch->knocked + PATIENCE)
            return false;
        if (latch->source.size && !host_equal(source, &latch->source) && !is_known(latch, source))
            return false;
    }
    latch->source = *source;
    latch->since = now;
    latch->heard = NONE;
    return true;
}
