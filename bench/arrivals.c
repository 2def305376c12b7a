/* Arrivals at a rate, as of a Poisson process, whether or not earlier ones were answered: what clients do that do not wait for each other.
 * arrivals PORT CONNECTIONS RPS SECONDS FILE; the file has requests that end in NUL, sent in turn to 127.0.0.1. One line of JSON at the end.
 * Latency counts from the time at which a request should have been sent. HTTP/1.1 answers with Content-Length, or chunked. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_SIZE = 128 * 1024, TIMEOUT_S = 10 };
typedef struct { int fd, busy; double due; char *in; size_t got; } Conn;
typedef struct { float *at; size_t count, room; } Samples;
enum outcome { GOOD, REFUSED, FAILED };

static int poller, port, free_count;
static Conn **free_conns;
static Samples samples[2];
static long failed, lost, in_time;
static double end;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void record(Samples *to, double ms) {
  if (to->count == to->room) {
    to->room = to->room * 2 + 1024;
    to->at = realloc(to->at, to->room * sizeof *to->at);
    if (to->at == NULL) abort();
  }
  to->at[to->count++] = (float)ms;
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Nearest rank; 0 of nothing. */
static double percentile(const Samples *of, double share) {
  if (of->count == 0) return 0;
  size_t rank = (size_t)ceil(of->count * share);
  return of->at[rank == 0 ? 0 : rank - 1];
}

static void open_conn(Conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int yes = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  c->got = 0;
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) { perror("connect"); exit(1); }
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  struct epoll_event event = {EPOLLIN, {.ptr = c}};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

/* Whole answers end an arrival. */
static void answered(Conn *c, enum outcome outcome, double now) {
  if (outcome == FAILED) failed++;
  else record(&samples[outcome], (now - c->due) * 1e3);
  if (outcome == GOOD && now <= end) in_time++;
  c->busy = 0;
  c->got = 0;
  free_conns[free_count++] = c;
}

/* The size of the whole answer when its head is there; 0 before, and while chunks are missing. */
static size_t whole_size(const Conn *c) {
  const char *end = strstr(c->in, "\r\n\r\n");
  if (end == NULL) return 0;
  size_t head = end + 4 - c->in;
  const char *length = strcasestr(c->in, "\r\ncontent-length:");
  if (length != NULL && length < end) return head + strtoul(length + 17, NULL, 10);
  if (c->got >= head + 5 && memcmp(c->in + c->got - 5, "0\r\n\r\n", 5) == 0) return c->got;
  return 0;
}

static void reopen(Conn *c) {
  close(c->fd);
  open_conn(c);
}

static void readable(Conn *c, double now) {
  ssize_t n = recv(c->fd, c->in + c->got, IN_SIZE - 1 - c->got, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0 || (size_t)n == IN_SIZE - 1 - c->got) {
    if (c->busy) { lost++; answered(c, FAILED, now); }
    reopen(c);
    return;
  }
  c->got += n;
  c->in[c->got] = 0;
  size_t whole = whole_size(c);
  if (!c->busy || whole == 0 || c->got < whole) return;
  int status = atoi(c->in + 9);
  const char *end = strstr(c->in, "\r\n\r\n"), *closing = strcasestr(c->in, "\r\nconnection: close");
  answered(c, status == 200 ? GOOD : status == 503 ? REFUSED : FAILED, now);
  if (closing != NULL && closing < end) reopen(c);
}

static void say(size_t unsent, double seconds) {
  for (int which = GOOD; which <= REFUSED; which++)
    if (samples[which].count > 0) qsort(samples[which].at, samples[which].count, sizeof(float), by_value);
  printf("{\"good\":%zu,\"goodInTime\":%ld,\"refused\":%zu,\"failed\":%ld,\"lost\":%ld,\"unsent\":%zu,\"seconds\":%.4f,\"p50Ms\":%.4f,\"p99Ms\":%.4f,"
    "\"refusedP50Ms\":%.4f,\"refusedP99Ms\":%.4f}\n",
    samples[GOOD].count, in_time, samples[REFUSED].count, failed, lost, unsent, seconds, percentile(&samples[GOOD], 0.5),
    percentile(&samples[GOOD], 0.99), percentile(&samples[REFUSED], 0.5), percentile(&samples[REFUSED], 0.99));
}

typedef struct { char *text; size_t size; } Request;

static int read_requests(const char *path, Request **requests) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) { perror(path); exit(1); }
  int count = 0;
  char *text = NULL;
  size_t room = 0;
  for (ssize_t size; (size = getdelim(&text, &room, 0, file)) > 1; text = NULL, room = 0) {
    *requests = realloc(*requests, (count + 1) * sizeof **requests);
    (*requests)[count++] = (Request){text, (size_t)size - 1};
  }
  fclose(file);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  port = atoi(argv[1]);
  int connections = atoi(argv[2]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  Request *requests = NULL;
  int count = read_requests(argv[5], &requests), turn = 0;
  if (count == 0 || connections < 1 || rate <= 0) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  prctl(PR_SET_TIMERSLACK, 1000);
  poller = epoll_create1(EPOLL_CLOEXEC);
  free_conns = calloc(connections, sizeof *free_conns);
  for (int index = 0; index < connections; index++) {
    Conn *c = calloc(1, sizeof *c);
    c->in = malloc(IN_SIZE);
    open_conn(c);
    free_conns[free_count++] = c;
  }
  srand48(1);
  double begin = now_s(), due = begin, now = begin, stop = begin + seconds + TIMEOUT_S;
  end = begin + seconds;
  while (now < end || (free_count < connections && now < stop)) {
    while (due <= now && now < end && free_count > 0) {
      Conn *c = free_conns[--free_count];
      Request *next = &requests[turn++ % count];
      c->due = due;
      c->busy = 1;
      if (send(c->fd, next->text, next->size, MSG_NOSIGNAL) != (ssize_t)next->size) { lost++; answered(c, FAILED, now); reopen(c); }
      due += -log(1 - drand48()) / rate;
    }
    double wait = now >= end ? 0.1 : free_count == 0 ? end - now : due < end ? due - now : end - now;
    if (wait < 0) wait = 0;
    struct timespec patience = {(time_t)wait, (long)((wait - (time_t)wait) * 1e9)};
    struct epoll_event ready[256];
    int found = epoll_pwait2(poller, ready, 256, &patience, NULL);
    now = now_s();
    for (int index = 0; index < found; index++) readable(ready[index].data.ptr, now);
  }
  failed += connections - free_count;
  say(due < end ? (size_t)((end - due) * rate) : 0, seconds);
  return 0;
}
