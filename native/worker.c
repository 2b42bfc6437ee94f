/* A thread that empties the sockets of the paths it was given and sends on what its ports let through.
 *
 * Commands come through a pipe and are carried out between two batches, so that no event of a batch can be about a path
 * that is gone. What the ports tell leaves through another pipe, which Python reads. Under load it looks once a
 * millisecond and takes what came meanwhile in one batch: that costs half of waking for each packet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

#define READY 256    /* sockets looked at in one go */
#define BURST 16     /* packets of one socket taken in one go, where more than one came */
#define MOST 4096    /* packets before commands get their turn */
#define PAUSE 0.001  /* seconds between two batches under load */
#define LOOK 1.0     /* seconds between two looks for silence */
#define IS_RTCP 1u   /* in an event's pointer to its port */

struct command {
    int kind;
    struct path *path;
};

struct worker {
    int epoll, commands[2], reports;
    double silence, look, now;
    uint32_t turn;
    bool stopped;
    sem_t recalled;
    struct path *paths;
    struct mmsghdr in[BURST], out[BURST];
    struct iovec in_parts[BURST], out_parts[BURST];
    struct address sources[BURST], targets[BURST];
    uint8_t packets[BURST][LARGEST + 1]; /* one byte more shows that a datagram is too long */
};

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* as the reactor does */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Make a worker, which does nothing until `relay_run` or `relay_turn`. NULL when the machine has no descriptors.
 *
 * reports: a pipe, not blocking, to which `struct report`s are written.
 * silence: after how many seconds without RTP from a phone that should be sending it that is told. */
struct worker *relay_open(int reports, double silence) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll < 0 || pipe2(worker->commands, O_CLOEXEC | O_NONBLOCK)) {
        if (worker->epoll >= 0)
            close(worker->epoll);
        free(worker);
        return NULL;
    }
    worker->reports = reports;
    worker->silence = silence;
    sem_init(&worker->recalled, 0, 0);
    for (int i = 0; i < BURST; i++) {
        worker->in_parts[i] = (struct iovec){worker->packets[i], sizeof worker->packets[i]};
        worker->in[i].msg_hdr = (struct msghdr){
            .msg_name = worker->sources[i].bytes, .msg_iov = &worker->in_parts[i], .msg_iovlen = 1};
        worker->out[i].msg_hdr = (struct msghdr){
            .msg_name = worker->targets[i].bytes, .msg_iov = &worker->out_parts[i], .msg_iovlen = 1};
    }
    return worker;
}

/* Close a worker that does not run. */
void relay_close(struct worker *worker) {
    close(worker->epoll);
    close(worker->commands[0]);
    close(worker->commands[1]);
    sem_destroy(&worker->recalled);
    free(worker);
}

/* Give a command from another thread: to take a path, to give it back, to stop. Returns 0, or -1 when the queue is
 * full. After a RECALL, the path is Python's again once `relay_wait` returns. */
int relay_send(struct worker *worker, int kind, struct path *path) {
    struct command command = {kind, path};
    return write(worker->commands[1], &command, sizeof command) == sizeof command ? 0 : -1;
}

/* Wait until one RECALL is carried out. */
void relay_wait(struct worker *worker) {
    while (sem_wait(&worker->recalled) && errno == EINTR)
        ;
}

static bool report(struct worker *worker, const struct port *port, uint32_t kind, uint32_t value) {
    struct report report = {port->id, kind, value};
    return write(worker->reports, &report, sizeof report) == sizeof report;
}

static bool watch(struct worker *worker, int operation, struct port *port) {
    struct epoll_event rtp = {.events = EPOLLIN, .data.u64 = (uintptr_t)port};
    struct epoll_event rtcp = {.events = EPOLLIN, .data.u64 = (uintptr_t)port | IS_RTCP};
    return epoll_ctl(worker->epoll, operation, port->rtp, &rtp) == 0 &&
           epoll_ctl(worker->epoll, operation, port->rtcp, &rtcp) == 0;
}

static void take(struct worker *worker, struct path *path) {
    if (worker->paths == NULL)
        worker->look = worker->now + LOOK;
    path->previous = NULL;
    path->next = worker->paths;
    if (path->next)
        path->next->previous = path;
    worker->paths = path;
    path->deaf = false;
    for (int i = 0; i < 2; i++) {
        path->ports[i].peer = &path->ports[1 - i];
        if (!watch(worker, EPOLL_CTL_ADD, &path->ports[i])) {
            /* ENOMEM, or ENOSPC beyond /proc/sys/fs/epoll/max_user_watches */
            path->deaf = true;
            worker->look = worker->now;
        }
    }
}

static void give_back(struct worker *worker, struct path *path) {
    for (int i = 0; i < 2; i++)
        watch(worker, EPOLL_CTL_DEL, &path->ports[i]); /* fails for what was not watched, and for nothing else */
    if (path->previous)
        path->previous->next = path->next;
    else
        worker->paths = path->next;
    if (path->next)
        path->next->previous = path->previous;
    sem_post(&worker->recalled);
}

static void obey(struct worker *worker) {
    struct command command;
    while (read(worker->commands[0], &command, sizeof command) == sizeof command) {
        if (command.kind == TAKE)
            take(worker, command.path);
        else if (command.kind == RECALL)
            give_back(worker, command.path);
        else
            worker->stopped = true;
    }
}

/* Send the first `count` packets of `out` through a port. What the kernel refuses is lost: sound is not repeated. */
static void send_on(struct worker *worker, struct port *port, unsigned count) {
    for (unsigned done = 0; done < count;) {
        int sent = sendmmsg(port->rtp, worker->out + done, count - done, MSG_DONTWAIT);
        if (sent <= 0) {
            done++;
            continue;
        }
        for (int i = 0; i < sent; i++) {
            port->packets_out++;
            port->octets_out += worker->out_parts[done + (unsigned)i].iov_len;
        }
        done += (unsigned)sent;
    }
}

static void queue(struct worker *worker, unsigned place, uint8_t *packet, size_t size, const struct address *target) {
    worker->out_parts[place] = (struct iovec){packet, size};
    worker->out[place].msg_hdr.msg_namelen = target->size;
    worker->targets[place] = *target;
}

/* RTCP is rare: each packet goes out by itself. */
static void send_rtcp(const struct port *port, const uint8_t *packet, size_t size) {
    struct address target;
    if (rtcp_target(port, &target))
        sendto(port->mux ? port->rtp : port->rtcp, packet, size, MSG_DONTWAIT, &target.any, target.size);
}

/* Take what came to one socket: one packet, since as a rule there is no other; more where another one was.
 * Returns how many packets that was, and 1 where there was none after all: nobody may keep us busy with nothing. */
static int drain(struct worker *worker, struct port *port, bool rtcp) {
    unsigned wanted = port->turn == worker->turn ? BURST : 1, count = 0;
    for (unsigned i = 0; i < wanted; i++)
        worker->in[i].msg_hdr.msg_namelen = sizeof worker->sources[i].v6;
    int came = recvmmsg(rtcp ? port->rtcp : port->rtp, worker->in, wanted, MSG_DONTWAIT, NULL);
    for (int i = 0; i < came; i++) {
        struct address *source = &worker->sources[i];
        uint8_t *packet = worker->packets[i];
        size_t size = worker->in[i].msg_len;
        int32_t key = NONE;
        source->size = worker->in[i].msg_hdr.msg_namelen;
        enum verdict verdict = rtcp ? rtcp_received(port, packet, size, source)
                                    : rtp_received(port, packet, size, source, worker->now, &key);
        if (key != NONE)
            report(worker, port, KEY, (uint32_t)key);
        const struct address *target = latch_target(&port->peer->latch);
        if (verdict == FORWARD_RTP && target->size)
            queue(worker, count++, packet, size, target);
        else if (verdict == FORWARD_RTCP)
            send_rtcp(port->peer, packet, size);
    }
    send_on(worker, port->peer, count);
    port->turn = worker->turn;
    return came > 0 ? came : 1;
}

static void look_for_silence(struct worker *worker) {
    for (struct path *path = worker->paths; path; path = path->next) {
        if (path->deaf)
            report(worker, &path->ports[0], DEAF, 0);
        for (int i = 0; i < 2; i++) {
            struct port *port = &path->ports[i];
            bool silent = port->sends && port->heard_at < worker->now - worker->silence;
            if (silent != port->silent && report(worker, port, silent ? SILENT : HEARD_AGAIN, 0))
                port->silent = silent;
        }
    }
}

/* Carry out commands, pass on what has come, look for silence. Returns how many packets came.
 *
 * now: the reactor's time, in seconds. */
int relay_turn(struct worker *worker, double now) {
    struct epoll_event events[READY];
    int taken = 0, ready;
    worker->now = now;
    worker->turn++;
    obey(worker);
    while (taken < MOST && (ready = epoll_wait(worker->epoll, events, READY, 0)) > 0) {
        for (int i = 0; i < ready; i++) {
            struct port *port = (struct port *)(uintptr_t)(events[i].data.u64 & ~(uint64_t)IS_RTCP);
            taken += drain(worker, port, events[i].data.u64 & IS_RTCP);
        }
    }
    if (worker->paths && now >= worker->look) {
        worker->look = now + LOOK;
        look_for_silence(worker);
    }
    return taken;
}

/* The thread: turns until a STOP comes. */
void relay_run(struct worker *worker) {
    sigset_t all;
    double woken = 0;
    bool pausing = false;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are the main thread's */
    while (!worker->stopped) {
        struct pollfd sources[] = {{worker->commands[0], POLLIN, 0}, {worker->epoll, POLLIN, 0}};
        double wait = pausing ? PAUSE : LOOK;
        struct timespec timeout = {(time_t)wait, (long)(1e9 * (wait - (double)(time_t)wait))};
        ppoll(sources, pausing ? 1 : 2, pausing || worker->paths ? &timeout : NULL, NULL);
        double now = seconds();
        int taken = relay_turn(worker, now);
        pausing = taken > 0 && (pausing || now < woken + PAUSE / 2);
        if (taken > 0)
            woken = now;
    }
}
