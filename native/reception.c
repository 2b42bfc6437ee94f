/* What is measured of RTP as it comes in (pbx/media/reception.py), and the keys in it (pbx/media/telephone_event.py). */
#include <math.h>

#include "relay.h"

#define MAX_DROPOUT 3000 /* a larger step in the sequence is a new beginning */
#define MAX_MISORDER 100 /* a packet so much late was counted as lost */
#define LEAP 10.0        /* seconds: a clock that is off by more was set anew */
#define EVENTS 17        /* event codes that have a name */
#define END 0x80
#define LATE 0x80000000u
#define MOST_KEYS 32.0 /* that are told at once */
#define KEY_RATE 20.0  /* and in a second, for long */
#define GRACE 160      /* units of the timestamp by which a later segment may miss the end of the one before */

/* Another source begins; what was measured stays. */
void reception_restart(struct reception *reception) {
    reception->expected = NONE;
    reception->ssrc = NONE;
    reception->arrived = 0;
    reception->timestamp = reception->rate = 0;
}

/* The sequence number is not the one after the last (RFC 3550 appendix A.1). */
static void skipped(struct reception *reception, uint16_t sequence) {
    uint16_t ahead = reception->expected == NONE ? 0 : (uint16_t)(sequence - reception->expected);
    if (ahead > 0xffff - MAX_MISORDER) {
        if (reception->lost)
            reception->lost--;
        return;
    }
    if (ahead < MAX_DROPOUT)
        reception->lost += ahead;
    reception->expected = (uint16_t)(sequence + 1);
}

/* A packet came; its rate is 0 when its timestamp does not tell the time. Returns whether it is a new source's. */
bool reception_count(struct reception *reception, const struct rtp *header, uint32_t rate, double now) {
    bool new = header->ssrc != reception->ssrc;
    if (new) {
        reception_restart(reception);
        reception->ssrc = header->ssrc;
    }
    if (header->sequence == reception->expected)
        reception->expected = (uint16_t)(header->sequence + 1);
    else
        skipped(reception, header->sequence);
    if (rate) {
        if (reception->arrived != 0 && rate == reception->rate) {
            int32_t sent = (int32_t)(header->timestamp - reception->timestamp);
            double difference = fabs(now - reception->arrived - (double)sent / rate);
            if (difference < LEAP)
                reception->jitter += (difference - reception->jitter) / 16;
        }
        reception->arrived = now;
        reception->timestamp = header->timestamp;
        reception->rate = rate;
    }
    return new;
}

void events_forget(struct events *events) {
    events->timestamp = events->down = NONE;
    events->duration = 0;
}

static bool may_tell(struct events *events, double now) {
    events->left = fmin(MOST_KEYS, events->left + fmax(0, now - events->counted_at) * KEY_RATE);
    events->counted_at = now;
    if (events->left < 1)
        return false;
    events->left -= 1;
    return true;
}

/* A packet of an event came (RFC 4733 section 2.3). Returns the code of the key that is pressed, or NONE. */
int32_t events_heard(struct events *events, const struct rtp *header, const uint8_t *packet, double now) {
    const uint8_t *payload = packet + header->start;
    if (header->end - header->start < 4 || payload[0] >= EVENTS)
        return NONE;
    int32_t event = payload[0];
    bool told = false;
    if (events->timestamp != NONE) {
        uint32_t passed = header->timestamp - (uint32_t)events->timestamp;
        if (passed >= LATE)
            return NONE;
        told = passed == 0 || (event == events->down && !header->marker && passed <= events->duration + GRACE);
    }
    events->down = (payload[1] & END) || (told && events->down == NONE) ? NONE : event;
    events->timestamp = header->timestamp;
    events->duration = (uint32_t)payload[2] << 8 | payload[3];
    return !told && may_tell(events, now) ? event : NONE;
}
