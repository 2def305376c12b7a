/* What the upstream of the bench says to an MCP message, whatever carries it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000, LARGE = 64 * 1024, SMALL = 111 };
enum tool { ECHO, LARGE_RESULT, SLOW, EVENTS_FAST, EVENTS_PACED, TOOLS };
static const char *const NAMES[TOOLS] = {"echo", "large", "slow", "events", "ticks"};

typedef struct { char *at; size_t size, room; } Text;

/* What the upstream is to the message at hand. */
static int isModern, toolCount = TOOLS;
static char large[LARGE + 1];

static void put(Text *text, const char *bytes, size_t size) {
  if (text->size + size > text->room) {
    text->room = (text->size + size) * 2;
    text->at = realloc(text->at, text->room);
    if (text->at == NULL) abort();
  }
  memcpy(text->at + text->size, bytes, size);
  text->size += size;
}
static void say(Text *text, const char *words) { put(text, words, strlen(words)); }

/* Of `"name":"<tool>"`, the first that is one of ours: clientInfo has a name too. */
static enum tool tool_of(const char *body) {
  for (const char *at = body; (at = strstr(at, "\"name\":\"")) != NULL;) {
    at += 8;
    for (int tool = 0; tool < TOOLS; tool++) {
      size_t size = strlen(NAMES[tool]);
      if (strncmp(at, NAMES[tool], size) == 0 && at[size] == '"') return tool;
    }
  }
  return ECHO;
}

static void list_tools(Text *out, const char *body) {
  const char *cursor = strstr(body, "\"cursor\":\"");
  int from = cursor == NULL ? 0 : atoi(cursor + 10), to = from + PAGE < toolCount ? from + PAGE : toolCount;
  char line[400];
  say(out, "{\"tools\":[");
  for (int index = from; index < to; index++) {
    char name[32];
    if (index < TOOLS) snprintf(name, sizeof name, "%s", NAMES[index]);
    else snprintf(name, sizeof name, "tool-%d", index);
    snprintf(line, sizeof line,
      "%s{\"name\":\"%s\",\"description\":\"Says a text of its own, whatever it is told\",\"inputSchema\":{\"type\":\"object\","
      "\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}}", index == from ? "" : ",", name);
    say(out, line);
  }
  say(out, "]");
  if (to < toolCount) { snprintf(line, sizeof line, ",\"nextCursor\":\"%d\"", to); say(out, line); }
  say(out, isModern ? ",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"}" : "}");
}

#define INFO "{\"name\":\"bench\",\"version\":\"1.0.0\"}"

/* The answer to a message into `out`; which tool it called, ECHO for all else; -1 for a notification, which has none. */
static int answer(Text *out, const char *body) {
  const char *id = strstr(body, "\"id\":"), *method = strstr(body, "\"method\":\"");
  if (id == NULL || method == NULL) return -1;
  id += 5; method += 10;
  const char *end = *id == '"' ? strchr(id + 1, '"') + 1 : id + strcspn(id, ",}");
  int is_call = strncmp(method, "tools/call\"", 11) == 0;
  enum tool tool = is_call ? tool_of(body) : ECHO;
  say(out, "{\"jsonrpc\":\"2.0\",\"id\":");
  put(out, id, end - id);
  if (is_call) {
    say(out, ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
    put(out, large, tool == LARGE_RESULT ? LARGE : SMALL);
    say(out, isModern ? "\"}],\"isError\":false,\"resultType\":\"complete\"}" : "\"}],\"isError\":false}");
  } else if (strncmp(method, "tools/list\"", 11) == 0) { say(out, ",\"result\":"); list_tools(out, body); }
  else if (!isModern && strncmp(method, "initialize\"", 11) == 0)
    say(out, ",\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":" INFO "}");
  else if (isModern && strncmp(method, "server/discover\"", 16) == 0)
    say(out, ",\"result\":{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},"
      "\"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" INFO "}}");
  else if (strncmp(method, "ping\"", 5) == 0) say(out, ",\"result\":{}");
  else say(out, ",\"error\":{\"code\":-32601,\"message\":\"Method not found\"}");
  say(out, "}");
  return tool;
}
