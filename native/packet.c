/* RTP and RTCP packets as values: pbx/media/rtp.py. Whatever the bytes are, nothing outside of them is read. */
#include "relay.h"

static uint32_t read_16(const uint8_t *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t read_32(const uint8_t *at) {
    return read_16(at) << 16 | read_16(at + 2);
}

/* Read an RTP packet's header (RFC 3550 section 5.1); false when the datagram is not RTP or contradicts itself. */
bool rtp_read(const uint8_t *packet, size_t size, struct rtp *header) {
    if (size < SMALLEST_RTP || packet[0] >> 6 != 2)
        return false;
    size_t start = SMALLEST_RTP, end = size;
    if (packet[0] != 0x80) {
        start += 4 * (size_t)(packet[0] & 0x0f);
        if (packet[0] & 0x10) {
            if (size < start + 4)
                return false;
            start += 4 + 4 * (size_t)read_16(packet + start + 2);
        }
        if (packet[0] & 0x20) {
            uint8_t padding = packet[size - 1];
            if (padding == 0 || padding > size)
                return false;
            end -= padding;
        }
        if (start > end)
            return false;
    }
    *header = (struct rtp){(uint16_t)read_16(packet + 2), read_32(packet + 4), read_32(packet + 8),
                           (packet[1] & 0x80) != 0, start, end};
    return true;
}

/* Whether a datagram is plausible RTCP and cannot be RTP: packet types 192 to 223 (RFC 5761 section 4). */
bool is_rtcp(const uint8_t *packet, size_t size) {
    return size >= SMALLEST_RTCP && packet[0] >> 6 == 2 && packet[1] >= 192 && packet[1] <= 223;
}
