/* Whatever comes to a port, nothing outside of the datagram is read, and each datagram is counted once.
 *
 * With clang's libFuzzer this is its target; without, `fuzz SEED COUNT` mutates packets by itself. Each datagram lies in
 * memory of its own, exactly as long as it is, so that AddressSanitizer sees the first byte read beyond it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static struct address address_of(uint8_t choice) {
    struct address address = {.size = sizeof address.v4};
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons((uint16_t)(4000 + choice / 4));
    address.v4.sin_addr.s_addr = htonl(0x7f000001u + choice % 4);
    return address;
}

static void prepare(struct port *port, uint8_t choice) {
    memset(port, 0, sizeof *port);
    port->latch.heard = NONE;
    reception_restart(&port->reception);
    events_forget(&port->events);
    port->mux = choice & 1;
    port->latch.signalled = address_of(choice & 3);
    port->rtcp_signalled = address_of(4 | (choice & 3));
    port->formats[0] = 8000;
    port->formats[101] = FORMAT_EVENTS;
    port->formats[31] = FORMAT_WITHOUT_CLOCK;
}

/* The first byte says how the port is; then datagrams: which socket and source, two bytes of length, what is in it. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct port port;
    uint64_t datagrams = 0, control = 0;
    double now = 1;
    prepare(&port, size ? input[0] : 0);
    for (size_t at = 1; at + 3 <= size; now += 0.05) {
        bool rtcp = input[at] & 0x80;
        struct address source = address_of(input[at] & 7);
        size_t length = (size_t)input[at + 1] << 8 | input[at + 2];
        at += 3;
        if (length > size - at)
            length = size - at;
        uint8_t *packet = malloc(length ? length : 1);
        memcpy(packet, input + at, length);
        at += length;
        datagrams++;
        struct rtp header;
        if (rtp_read(packet, length, &header))
            require(header.start <= header.end && header.end <= length, "the payload is not in the packet");
        int32_t key = NONE;
        enum verdict verdict = rtcp ? rtcp_received(&port, packet, length, &source)
                                    : rtp_received(&port, packet, length, &source, now, &key);
        control += verdict == FORWARD_RTCP;
        require(key >= NONE && key < 17, "a key that there is not");
        require(verdict != FORWARD_RTCP || is_rtcp(packet, length), "what is no RTCP is passed on as such");
        struct address target;
        rtcp_target(&port, &target);
        free(packet);
    }
    require(port.packets_in + control + port.garbage + port.strange == datagrams, "a datagram is not counted once");
    require(port.reception.jitter >= 0, "jitter is negative");
    return 0;
}

#ifndef LIBFUZZER
static uint32_t state;

static uint32_t chance(uint32_t below) {
    state = state * 1664525u + 1013904223u; /* the same in every run with the same seed */
    return (state >> 8) % below;
}

/* A packet that something might take, with a few bytes changed and perhaps cut off or too long. */
static size_t mutated(uint8_t *packet) {
    static const uint8_t payloads[] = {0, 101, 31, 0x80, 200, 18, 229};
    static const uint8_t firsts[] = {0x80, 0x80, 0x80, 0x81, 0x90, 0xa0, 0xbf, 0x40};
    size_t size = 12 + chance(40);
    for (size_t i = 0; i < size; i++)
        packet[i] = (uint8_t)chance(256);
    packet[0] = firsts[chance(sizeof firsts)];
    packet[1] = payloads[chance(sizeof payloads)];
    memset(packet + 4, 0, 8);
    packet[3] = (uint8_t)chance(8);
    packet[7] = (uint8_t)chance(4);
    for (uint32_t changes = chance(3); changes; changes--)
        packet[chance((uint32_t)size)] = (uint8_t)chance(256);
    uint32_t fate = chance(8);
    return fate == 0 ? chance((uint32_t)size + 1) : fate == 1 ? size + chance(3000) : size;
}

int main(int argc, char **argv) {
    static uint8_t input[65536];
    state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    for (unsigned long round = 0; round < rounds; round++) {
        size_t at = 1;
        input[0] = (uint8_t)chance(256);
        for (uint32_t datagrams = chance(12); datagrams; datagrams--) {
            size_t length = mutated(input + at + 3);
            input[at] = (uint8_t)chance(256);
            input[at + 1] = (uint8_t)(length >> 8);
            input[at + 2] = (uint8_t)length;
            at += 3 + length;
        }
        LLVMFuzzerTestOneInput(input, at);
    }
    printf("%lu rounds\n", rounds);
    return 0;
}
#endif
