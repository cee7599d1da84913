/* A closed-loop HTTP/1.1 load generator: N kept-alive connections, each with one request at a time, on one thread.

   load PORT CONNECTIONS WARM_MS MEASURE_MS STATUS FIRST REQUESTS

   REQUESTS is a file of requests, each as its length in decimal, a newline, and its bytes; they are asked in turn.
   Where a request holds twelve '@' in a row, at each such place, the next number from FIRST on takes theirs, so that
   each request differs and none changes its length. STATUS is what every answer must have. The result is one JSON object. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_CONNECTIONS = 1024,
    MOST_REQUESTS = 4096,
    LONGEST_REPLY = 8 << 20,
    FIRST_ROOM = 1 << 16,
    LONGEST_NOTED = 2000000, /* microseconds, one bucket each; what takes longer shares the last one */
    PATIENCE_MS = 10000,
    NUMBER_DIGITS = 12,
    MOST_NUMBERS = 16,
};

typedef struct {
    char *bytes;
    size_t length;
    char *numbers[MOST_NUMBERS]; /* where the running number goes */
    size_t number_count;
} Request;

typedef struct {
    int socket;
    char *reply;
    size_t room, filled;
    uint64_t asked_at;
} Connection;

typedef struct {
    size_t whole, head, body; /* bytes; whole is 0 while some are missing */
    int status;
} Reply;

static Request requests[MOST_REQUESTS];
static size_t request_count, next_request;
static uint64_t next_number;
static uint32_t buckets[LONGEST_NOTED + 1];
static uint64_t answered, replies, wrong, wrong_seen, bytes_in, slowest;
static int expected_status;
static Reply last_reply;

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_us(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (uint64_t)moment.tv_sec * 1000000u + (uint64_t)moment.tv_nsec / 1000u;
}

static void *allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (memory == NULL) die("out of memory");
    return memory;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    size_t length;
    if (file == NULL) die("%s: %s", path, strerror(errno));
    while (fscanf(file, "%zu", &length) == 1) {
        if (request_count == MOST_REQUESTS || length == 0 || length > LONGEST_REPLY) die("%s: too much in it", path);
        Request *request = &requests[request_count++];
        request->bytes = allocate(NULL, length + 1);
        request->length = length;
        if (fgetc(file) != '\n' || fread(request->bytes, 1, length, file) != length) die("%s: is cut short", path);
        request->bytes[length] = '\0';
        request->number_count = 0;
        for (char *at = request->bytes; (at = strstr(at, "@@@@@@@@@@@@")) != NULL; at += NUMBER_DIGITS) {
            if (request->number_count == MOST_NUMBERS) die("%s: too many numbers in a request", path);
            request->numbers[request->number_count++] = at;
        }
    }
    fclose(file);
    if (request_count == 0) die("%s: holds no request", path);
}

static void ask(Connection *connection) {
    Request *request = &requests[next_request];
    next_request = (next_request + 1) % request_count;
    if (request->number_count > 0) {
        char digits[NUMBER_DIGITS + 1];
        snprintf(digits, sizeof digits, "%012llu", (unsigned long long)(next_number++ % 1000000000000u));
        for (size_t each = 0; each < request->number_count; each++)
            memcpy(request->numbers[each], digits, NUMBER_DIGITS);
    }
    connection->filled = 0;
    connection->asked_at = now_us();
    for (size_t sent = 0; sent < request->length;) {
        ssize_t count = send(connection->socket, request->bytes + sent, request->length - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) die("sending: %s", strerror(errno));
        if (count > 0) sent += (size_t)count;
    }
}

static Connection *connect_to(int port) {
    Connection *connection = allocate(NULL, sizeof *connection);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    connection->room = FIRST_ROOM;
    connection->reply = allocate(NULL, FIRST_ROOM + 1);
    if (connection->socket < 0 || connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0)
        die("connecting to port %d: %s", port, strerror(errno));
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    return connection;
}

/* Return the bytes of a chunked body up to its end, or 0 while some are missing. */
static size_t chunked_length(const char *body, const char *end) {
    const char *at = body;
    for (;;) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line_end == NULL) return 0;
        unsigned long size = strtoul(at, NULL, 16);
        if (size > LONGEST_REPLY) die("a chunk is too long");
        at = line_end + 2 + size + 2;
        if (at > end) return 0;
        if (size == 0) return (size_t)(at - body);
    }
}

static Reply read_reply(const Connection *connection) {
    Reply reply = {0};
    char *head_end = memmem(connection->reply, connection->filled, "\r\n\r\n", 4);
    if (head_end == NULL) return reply;
    size_t length = 0;
    int chunked = 0;
    reply.head = (size_t)(head_end - connection->reply) + 4;
    reply.status = connection->filled > 12 ? atoi(connection->reply + 9) : 0;
    for (char *line = memchr(connection->reply, '\n', reply.head); line != NULL && line < head_end;
         line = memchr(line, '\n', (size_t)(head_end + 4 - line))) {
        line++;
        if (strncasecmp(line, "content-length:", 15) == 0) length = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding:", 18) == 0) chunked = 1;
        if (strncasecmp(line, "connection: close", 17) == 0) die("the server does not keep connections");
    }
    const char *body = connection->reply + reply.head, *end = connection->reply + connection->filled;
    if (chunked && (length = chunked_length(body, end)) == 0) return reply;
    if ((size_t)(end - body) < length) return reply;
    reply.body = length;
    reply.whole = reply.head + length;
    return reply;
}

static void note(const Connection *connection, Reply reply, int measuring) {
    last_reply = reply;
    answered++;
    if (reply.status != expected_status && wrong_seen++ == 0)
        fprintf(stderr, "load: status %d: %.*s\n", reply.status, (int)(reply.body < 500 ? reply.body : 500),
                connection->reply + reply.head);
    if (!measuring) return;
    uint64_t taken = now_us() - connection->asked_at;
    buckets[taken < LONGEST_NOTED ? taken : LONGEST_NOTED]++;
    if (taken > slowest) slowest = taken;
    replies++;
    wrong += reply.status != expected_status;
    bytes_in += reply.whole;
}

/* Take what has come; tell whether the reply is whole. */
static int take(Connection *connection, int measuring) {
    for (;;) {
        if (connection->filled == connection->room) {
            if (connection->room >= LONGEST_REPLY) die("a reply is too long");
            connection->room *= 2;
            connection->reply = allocate(connection->reply, connection->room + 1);
        }
        size_t free_room = connection->room - connection->filled;
        ssize_t count = recv(connection->socket, connection->reply + connection->filled, free_room, 0);
        if (count == 0) die("the server closed a connection");
        if (count < 0 && errno == EAGAIN) return 0;
        if (count < 0) die("receiving: %s", strerror(errno));
        connection->filled += (size_t)count;
        connection->reply[connection->filled] = '\0';
        if ((size_t)count == free_room) continue;
        Reply reply = read_reply(connection);
        if (reply.whole == 0) return 0;
        note(connection, reply, measuring);
        return 1;
    }
}

static uint64_t percentile(double share) {
    uint64_t wanted = (uint64_t)((double)replies * share), seen = 0;
    for (uint64_t taken = 0; taken <= LONGEST_NOTED; taken++) {
        seen += buckets[taken];
        if (seen > wanted) return taken;
    }
    return slowest;
}

static void report(double seconds) {
    printf("{\"answered\":%llu,\"replies\":%llu,\"seconds\":%.6f,\"wrong\":%llu,\"bytes\":%llu,\"p50_us\":%llu,\"p90_us\":%llu,"
           "\"p99_us\":%llu,\"slowest_us\":%llu,\"head_bytes\":%zu,\"body_bytes\":%zu,\"next_number\":%llu}\n",
           (unsigned long long)answered, (unsigned long long)replies, seconds, (unsigned long long)wrong,
           (unsigned long long)bytes_in,
           (unsigned long long)percentile(0.50), (unsigned long long)percentile(0.90),
           (unsigned long long)percentile(0.99), (unsigned long long)slowest, last_reply.head, last_reply.body,
           (unsigned long long)next_number);
}

int main(int count, char **words) {
    static struct epoll_event ready[MOST_CONNECTIONS];
    if (count != 8) die("usage: load PORT CONNECTIONS WARM_MS MEASURE_MS STATUS FIRST REQUESTS");
    int port = atoi(words[1]), connections = atoi(words[2]), poll = epoll_create1(0);
    if (connections < 1 || connections > MOST_CONNECTIONS) die("1 to %d connections", MOST_CONNECTIONS);
    expected_status = atoi(words[5]);
    next_number = strtoull(words[6], NULL, 10);
    read_requests(words[7]);
    for (int n = 0; n < connections; n++) {
        Connection *connection = connect_to(port);
        struct epoll_event interest = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(poll, EPOLL_CTL_ADD, connection->socket, &interest);
        ask(connection);
    }
    uint64_t begin = now_us() + strtoull(words[3], NULL, 10) * 1000u;
    uint64_t end = begin + strtoull(words[4], NULL, 10) * 1000u;
    uint64_t now = now_us();
    while (now < end) {
        int events = epoll_wait(poll, ready, MOST_CONNECTIONS, PATIENCE_MS);
        if (events == 0) die("no reply for %d ms", PATIENCE_MS);
        for (int n = 0; n < events; n++)
            if (take(ready[n].data.ptr, now >= begin)) ask(ready[n].data.ptr);
        now = now_us();
    }
    report((double)(now - begin) / 1e6);
    return 0;
}
