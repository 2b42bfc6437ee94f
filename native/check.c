/* The worker by itself, for the sanitizers: one thread forwards while another gives it paths and takes them back.
 *
 * What it does with which packet is tested from Python, against the relay there; this is about memory and races. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

#define PATHS 20
#define ROUNDS 200
#define REQUIRE(holds)                                                                                                 \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds);                                                \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static int bound(struct address *address) {
    int one = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t size = sizeof address->v4;
    memset(address, 0, sizeof *address);
    address->v4.sin_family = AF_INET;
    address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(one >= 0 && bind(one, &address->any, size) == 0 && getsockname(one, &address->any, &size) == 0);
    address->size = size;
    return one;
}

static void prepare(struct port *port, uint64_t id, const struct address *phone) {
    struct address own;
    port->id = id;
    port->rtp = bound(&own);
    port->rtcp = bound(&own);
    port->sends = 1;
    port->latch.signalled = *phone;
    port->latch.heard = NONE;
    port->formats[0] = 8000;
    port->formats[101] = FORMAT_EVENTS;
    reception_restart(&port->reception);
    events_forget(&port->events);
}

/* Read what was told, and in time at least so many keys. Returns how many it was. */
static uint64_t keys_told(int reports, uint64_t wanted) {
    struct report report;
    struct pollfd readable = {reports, POLLIN, 0};
    uint64_t keys = 0;
    do {
        REQUIRE(keys >= wanted || poll(&readable, 1, 10000) == 1);
        while (read(reports, &report, sizeof report) == sizeof report)
            keys += report.kind == KEY && report.value == 5 && report.id >= 1 && report.id <= 2 * PATHS;
    } while (keys < wanted);
    return keys;
}

static void *run(void *worker) {
    relay_run(worker);
    return NULL;
}

static void say(int phone, int port, uint8_t payload_type, uint16_t sequence, uint32_t timestamp) {
    uint8_t packet[172] = {0x80, payload_type, (uint8_t)(sequence >> 8), (uint8_t)sequence};
    struct address to;
    socklen_t size = sizeof to.v4;
    packet[6] = (uint8_t)(timestamp >> 8);
    packet[7] = (uint8_t)timestamp;
    packet[12] = 5;
    packet[13] = 0x80;
    REQUIRE(getsockname(port, &to.any, &size) == 0);
    REQUIRE(sendto(phone, packet, sizeof packet, 0, &to.any, size) == sizeof packet);
}

int main(void) {
    static struct path paths[PATHS];
    struct address addresses[2 * PATHS];
    int phones[2 * PATHS], reports[2];
    pthread_t thread;
    uint64_t sent = 0, passed = 0, keys = 0;
    REQUIRE(pipe2(reports, O_NONBLOCK) == 0);
    struct worker *worker = relay_open(reports[1], 10.0);
    REQUIRE(worker != NULL);
    REQUIRE(pthread_create(&thread, NULL, run, worker) == 0);
    for (int i = 0; i < 2 * PATHS; i++) {
        phones[i] = bound(&addresses[i]);
        prepare(&paths[i / 2].ports[i % 2], (uint64_t)i + 1, &addresses[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PATHS; i++) {
            paths[i].ports[0].events.left = paths[i].ports[1].events.left = 32; /* no finger is as fast as this */
            REQUIRE(relay_send(worker, TAKE, &paths[i]) == 0);
        }
        for (int i = 0; i < 2 * PATHS; i++) {
            int to = paths[i / 2].ports[i % 2].rtp;
            say(phones[i], to, 0, (uint16_t)(2 * round), (uint32_t)round * 320);
            say(phones[i], to, 101, (uint16_t)(2 * round + 1), (uint32_t)round * 320 + 160);
            sent += 2;
        }
        /* In every other round all has passed before the paths are taken back, in the others something has or not. */
        keys += keys_told(reports[0], round % 2 ? sent / 2 - keys : 0);
        for (int i = 0; i < PATHS; i++) {
            REQUIRE(relay_send(worker, RECALL, &paths[i]) == 0);
            relay_wait(worker);
        }
    }
    REQUIRE(relay_send(worker, STOP, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    /* What was still on its way when a path was taken back for the last time passes now. */
    for (int i = 0; i < PATHS; i++)
        REQUIRE(relay_send(worker, TAKE, &paths[i]) == 0);
    relay_turn(worker, 1e9);
    keys += keys_told(reports[0], 0);
    for (int i = 0; i < 2 * PATHS; i++) {
        const struct port *port = &paths[i / 2].ports[i % 2];
        passed += port->packets_in;
        REQUIRE(port->reception.lost == 0 && port->garbage == 0 && port->strange == 0);
        REQUIRE(port->packets_out == paths[i / 2].ports[1 - i % 2].packets_in);
    }
    /* A path that cannot be watched is told of, once a second until it is taken back. */
    struct path deaf = {.ports = {{.id = 77, .rtp = phones[0], .rtcp = -1}, {.rtp = phones[1], .rtcp = phones[2]}}};
    struct report report;
    REQUIRE(relay_send(worker, TAKE, &deaf) == 0);
    for (int second = 0; second < 2; second++) {
        relay_turn(worker, 1e9 + 1 + second);
        REQUIRE(read(reports[0], &report, sizeof report) == sizeof report);
        REQUIRE(report.id == 77 && report.kind == DEAF);
        REQUIRE(read(reports[0], &report, sizeof report) < 0);
    }
    REQUIRE(relay_send(worker, RECALL, &deaf) == 0);
    relay_turn(worker, 1e9 + 9);
    relay_wait(worker);
    REQUIRE(read(reports[0], &report, sizeof report) < 0);
    REQUIRE(passed == sent);
    REQUIRE(keys == sent / 2);
    for (int i = 0; i < 2 * PATHS; i++) {
        close(phones[i]);
        close(paths[i / 2].ports[i % 2].rtp);
        close(paths[i / 2].ports[i % 2].rtcp);
    }
    close(reports[0]);
    close(reports[1]);
    relay_close(worker);
    printf("%lu packets, %lu keys\n", (unsigned long)passed, (unsigned long)keys);
    return 0;
}
