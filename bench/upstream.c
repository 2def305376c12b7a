/* The upstream of the bench where a C compiler is: an MCP server that is never the bottleneck. HTTP/1.1 on loopback, requests with
 * Content-Length alone; or, with --stdio, lines. Prints {"ports":"P P …"} when it listens and ends with whoever started it (Linux).
 * The path says what it is: /session opens sessions, /modern is of MCP 2026-07-28, else legacy without sessions; ?tools=N its list. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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
#include "answers.h"

enum { IN_SIZE = 16 * 1024, EVENTS = 200, SLOW_MS = 50, TICK_MS = 2 };
enum kind { LISTENER, CLIENT };
typedef struct Conn {
  int fd;
  enum kind kind;
  char in[IN_SIZE + 1];
  size_t got;
  Text out;            /* what the socket did not take yet, from `sent` on */
  size_t sent;
  Text last;           /* the answer that waits for its time, or for the events before it */
  int events;          /* still to come */
  int paced, gone, waits;
  double due;          /* ms */
  struct Conn *next;   /* in the list of those that wait for a time, or for their turn */
} Conn;

static int poller;
static Conn *slow_head, *slow_tail, *streams;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void hang_up(Conn *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
  c->gone = 1;
  if (c->waits) return; /* the list that holds it frees it */
  free(c->out.at); free(c->last.at); free(c);
}

/* Sends what is there. 0 when the connection is lost. */
static int flush(Conn *c) {
  while (c->sent < c->out.size) {
    ssize_t n = send(c->fd, c->out.at + c->sent, c->out.size - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      struct epoll_event wanted = {EPOLLIN | EPOLLOUT, {.ptr = c}};
      return epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &wanted) == 0;
    }
    if (n <= 0) return 0;
    c->sent += n;
  }
  c->sent = c->out.size = 0;
  return 1;
}

static void put_chunk(Conn *c, const char *bytes, size_t size) {
  char head[64];
  put(&c->out, head, snprintf(head, sizeof head, "%zx\r\ndata: ", size + 8));
  put(&c->out, bytes, size);
  say(&c->out, "\n\n\r\n");
}

static void wait_until(Conn *c, double due) {
  c->due = due; c->waits = 1; c->next = NULL;
  if (slow_head == NULL) slow_head = c; else slow_tail->next = c;
  slow_tail = c;
}

/* One request with all of its body, which ends in NUL. */
static void serve(Conn *c, const char *head, const char *body) {
  const char *line = strchr(head, '\r'), *query = strstr(head, "tools=");
  isModern = memmem(head, line - head, "/modern", 7) != NULL;
  int hasSession = memmem(head, line - head, "/session", 8) != NULL;
  toolCount = query != NULL && query < line ? atoi(query + 6) : TOOLS;
  if (strncmp(head, "POST ", 5) != 0) {
    say(&c->out, strncmp(head, "DELETE ", 7) == 0 ? "HTTP/1.1 204 No Content\r\n\r\n" : "HTTP/1.1 405 Not Allowed\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  c->last.size = 0;
  int tool = answer(&c->last, body);
  char text[200];
  if (tool < 0) { say(&c->out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"); return; }
  if (tool >= EVENTS_FAST) {
    say(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    c->events = EVENTS; c->paced = tool == EVENTS_PACED; c->due = now_ms(); c->waits = 1; c->next = streams; streams = c;
    return;
  }
  const char *session = hasSession && strstr(body, "\"method\":\"initialize\"") != NULL ? "Mcp-Session-Id: 1868a90c-2f6d\r\n" : "";
  Text *to = tool == SLOW ? &c->last : &c->out;
  size_t head_size = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", session, c->last.size);
  if (to == &c->out) { put(to, text, head_size); put(to, c->last.at, c->last.size); return; }
  Text whole = {0};
  put(&whole, text, head_size); put(&whole, c->last.at, c->last.size);
  free(c->last.at);
  c->last = whole;
  wait_until(c, now_ms() + SLOW_MS);
}

/* Serves what has arrived whole, one request after the other. 0 when the connection has to end. */
static int read_all(Conn *c) {
  ssize_t n = recv(c->fd, c->in + c->got, IN_SIZE - c->got, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) return 0;
  if (n > 0) c->got += n;
  while (!c->waits) {
    c->in[c->got] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) break;
    *end = 0;
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    size_t body = length == NULL ? 0 : strtoul(length + 17, NULL, 10), whole = end + 4 - c->in + body;
    *end = '\r';
    if (whole > IN_SIZE) return 0;
    if (c->got < whole) break;
    char kept = c->in[whole];
    c->in[whole] = 0;
    serve(c, c->in, end + 4);
    c->in[whole] = kept;
    memmove(c->in, c->in + whole, c->got -= whole);
  }
  return c->got < IN_SIZE && flush(c);
}

static void accept_one(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  Conn *c = calloc(1, sizeof *c);
  if (c == NULL) abort();
  c->fd = fd; c->kind = CLIENT;
  struct epoll_event event = {EPOLLIN, {.ptr = c}};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* Answers whose time has come; each waits as long as any other, so the list is in order. */
static void end_waiting(double now) {
  while (slow_head != NULL && slow_head->due <= now) {
    Conn *c = slow_head;
    slow_head = c->next;
    c->waits = 0;
    if (!c->gone) { put(&c->out, c->last.at, c->last.size); if (flush(c) && read_all(c)) continue; }
    hang_up(c);
  }
}

/* One event on each stream whose turn it is, each a write of its own. */
static void send_events(double now) {
  static const char EVENT[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\""
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}";
  for (Conn **at = &streams; *at != NULL;) {
    Conn *c = *at;
    int is_due = c->out.size == 0 && (!c->paced || c->due <= now), alive = !c->gone;
    if (alive && !is_due) { at = &c->next; continue; }
    if (alive && c->events > 0) {
      put_chunk(c, EVENT, sizeof EVENT - 1);
      c->events--; c->due += TICK_MS;
      if ((alive = flush(c))) { at = &c->next; continue; }
    }
    *at = c->next;
    c->waits = 0;
    if (alive) { put_chunk(c, c->last.at, c->last.size); say(&c->out, "0\r\n\r\n"); alive = flush(c) && read_all(c); }
    if (!alive) hang_up(c);
  }
}

static int patience(double now) {
  if (streams != NULL) {
    for (Conn *c = streams; c != NULL; c = c->next) if (!c->paced && c->out.size == 0) return 0;
    return 1;
  }
  return slow_head == NULL ? -1 : slow_head->due > now ? (int)(slow_head->due - now) + 1 : 0;
}

static void listen_on(int count) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  printf("{\"ports\":\"");
  for (int index = 0; index < count; index++) {
    Conn *c = calloc(1, sizeof *c);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    c->kind = LISTENER;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(c->fd, (struct sockaddr *)&address, size) != 0 || listen(c->fd, 4096) != 0) { perror("listen"); exit(1); }
    getsockname(c->fd, (struct sockaddr *)&address, &size);
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    printf("%s%d", index == 0 ? "" : " ", ntohs(address.sin_port));
  }
  printf("\"}\n");
  fflush(stdout);
}

static int speak_lines(void) {
  Text out = {0};
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    out.size = 0;
    if (answer(&out, line) < 0) continue;
    say(&out, "\n");
    fwrite(out.at, 1, out.size, stdout);
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char **argv) {
  memset(large, 'b', LARGE);
  if (argc > 1 && strcmp(argv[1], "--stdio") == 0) return speak_lines();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  poller = epoll_create1(EPOLL_CLOEXEC);
  listen_on(argc > 1 ? atoi(argv[1]) : 1);
  for (;;) {
    struct epoll_event ready[512];
    int count = epoll_wait(poller, ready, 512, patience(now_ms()));
    for (int index = 0; index < count; index++) {
      Conn *c = ready[index].data.ptr;
      if (c->kind == LISTENER) { accept_one(c->fd); continue; }
      struct epoll_event calm = {EPOLLIN, {.ptr = c}};
      if (ready[index].events & EPOLLOUT) epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &calm);
      if (!(flush(c) && read_all(c))) hang_up(c);
    }
    double now = now_ms();
    end_waiting(now);
    send_events(now);
  }
}
