/* One side's end of one stream: pbx/media/port.py. Decides on what came; sends nothing itself. */
#include "relay.h"

#define FLOOD 1024    /* packets */
#define FLOODING 0.1  /* seconds in which no phone sends so many */

/* A datagram came to the RTP socket. A key that it presses is put into `key`. */
enum verdict rtp_received(struct port *port, const uint8_t *packet, size_t size, const struct address *source,
                          double now, int32_t *key) {
    struct rtp header;
    uint32_t format = size >= SMALLEST_RTP ? port->formats[packet[1] & 0x7f] : FORMAT_REFUSED;
    if (size > LARGEST || format == FORMAT_REFUSED || !rtp_read(packet, size, &header)) {
        if (!(port->mux && size <= LARGEST && is_rtcp(packet, size))) {
            port->garbage++;
        } else if (!endpoint_equal(source, latch_target(&port->latch))) {
            port->strange++;
        } else {
            return FORWARD_RTCP;
        }
        return DROP;
    }
    if (!address_equal(source, &port->latch.source)) {
        if (!latch_admits(&port->latch, source, (int64_t)port->packets_in, port->sends, now)) {
            port->strange++;
            return DROP;
        }
        port->rtcp_source.size = 0;
        reception_restart(&port->reception);
    }
    port->heard_at = now;
    if (reception_count(&port->reception, &header, format > FORMAT_EVENTS ? format : 0, now))
        events_forget(&port->events);
    if (++port->packets_in % FLOOD == 0) {
        if (now >= port->flooded_at && now < port->flooded_at + FLOODING) /* earlier: the clock was set back */
            latch_forget(&port->latch);
        port->flooded_at = now;
    }
    port->octets_in += size;
    if (format == FORMAT_EVENTS)
        *key = events_heard(&port->events, &header, packet, now);
    return FORWARD_RTP;
}

/* A datagram came to the RTCP socket. */
enum verdict rtcp_received(struct port *port, const uint8_t *packet, size_t size, const struct address *source) {
    if (size > LARGEST || !is_rtcp(packet, size)) {
        port->garbage++;
        return DROP;
    }
    if (!address_equal(source, &port->rtcp_source)) {
        if (!endpoint_equal(source, &port->rtcp_signalled) && !host_equal(source, latch_target(&port->latch))) {
            port->strange++;
            return DROP;
        }
        port->rtcp_source = *source;
    }
    return FORWARD_RTCP;
}

/* Where RTCP for the phone goes: where its own comes from, else where it belongs to the RTP. False: nowhere. */
bool rtcp_target(const struct port *port, struct address *target) {
    const struct address *rtp = &port->latch.source, *signalled = &port->latch.signalled;
    if (port->mux) {
        *target = *latch_target(&port->latch);
    } else if (port->rtcp_source.size) {
        *target = port->rtcp_source;
    } else if (rtp->size == 0 || endpoint_equal(rtp, signalled)) {
        *target = port->rtcp_signalled;
    } else {
        uint16_t number = ntohs(rtp->v4.sin_port);
        *target = *rtp;
        target->v4.sin_port = htons((uint16_t)(number + 1));
        return number < 65535;
    }
    return target->size != 0;
}
