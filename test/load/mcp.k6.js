// The load profiles of `mcp-stack load` with k6 (https://k6.io), for people who use that.
//
//   k6 run -e PROFILE=smoke -e TOKEN=… test/load/mcp.k6.js
//
// -e URL (http://127.0.0.1:4444/mcp), PROFILE (smoke, step, soak, spike), ERA (legacy or modern), TOOL and ARGUMENTS (time__echo),
// LIST_SHARE (0.2 of the requests are tools/list), RPS (100, of soak and of the spike's base), DURATION in seconds, SESSIONS (64),
// I_OWN_THIS_HOST for any host but loopback.
import { check, fail } from "k6";
import http from "k6/http";

const env = (name, otherwise) => __ENV[name] || otherwise;
const url = env("URL", "http://127.0.0.1:4444/mcp");
const era = env("ERA", "legacy");
const tool = env("TOOL", "time__echo");
const toolArguments = JSON.parse(env("ARGUMENTS", '{"message":"load"}'));
const listShare = Number(env("LIST_SHARE", "0.2"));
const rps = Number(env("RPS", "100"));
const profile = env("PROFILE", "smoke");
const seconds = Number(env("DURATION", { smoke: "10", step: "35", soak: "300", spike: "30" }[profile]));

const host = /^https?:\/\/(\[[^\]]+\]|[^/:]+)/.exec(url)?.[1];
if (!/^(?:localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(host ?? "") && __ENV.I_OWN_THIS_HOST !== host)
  throw new Error(
    `${host} is not loopback: a load test of another host is for its owner, who adds -e I_OWN_THIS_HOST=${host}`,
  );
if (!(seconds > 0 && seconds <= 3600)) throw new Error(`PROFILE ${profile}, DURATION ${seconds}: at most 3600 seconds`);

const closed = (vus, duration, start) => ({
  executor: "constant-vus",
  vus,
  duration: `${duration}s`,
  startTime: `${start}s`,
  gracefulStop: "5s",
});
const open = (rate, duration, start) => ({
  executor: "constant-arrival-rate",
  rate,
  timeUnit: "1s",
  duration: `${duration}s`,
  startTime: `${start}s`,
  preAllocatedVUs: Math.max(10, Math.ceil(rate / 10)),
  maxVUs: 2048,
});
const scenarios = {
  smoke: () => ({ smoke: closed(2, seconds, 0) }),
  step: () =>
    Object.fromEntries(
      [1, 2, 4, 8, 16, 32, 64].map((vus, at) => [`step_${vus}`, closed(vus, seconds / 7, (at * seconds) / 7)]),
    ),
  soak: () => ({ soak: open(rps, seconds, 0) }),
  spike: () => ({
    base: open(rps, seconds / 3, 0),
    spike: open(10 * rps, seconds / 3, seconds / 3),
    after: open(rps, seconds / 3, (2 * seconds) / 3),
  }),
};

export const options = {
  scenarios: scenarios[profile](),
  // One line per scenario in the summary.
  thresholds: Object.fromEntries(
    Object.keys(scenarios[profile]()).flatMap((name) => [
      [`http_req_duration{scenario:${name}}`, ["max>=0"]],
      [`checks{scenario:${name}}`, ["rate>=0.99"]],
    ]),
  ),
  summaryTrendStats: ["med", "p(90)", "p(99)", "p(99.9)", "max"],
};

const common = {
  "Content-Type": "application/json",
  Accept: "application/json, text/event-stream",
  ...(__ENV.TOKEN ? { Authorization: `Bearer ${__ENV.TOKEN}` } : {}),
};
const clientInfo = { name: "k6", version: "1" };
const meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": clientInfo,
};

const post = (headers, message) =>
  http.post(url, JSON.stringify({ jsonrpc: "2.0", ...message }), { headers: { ...common, ...headers }, redirects: 0 });
const legacyHeaders = (session) => ({ "Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25" });

/** Legacy: the sessions that the virtual users share. */
export function setup() {
  if (era !== "legacy") return [];
  return Array.from({ length: Number(env("SESSIONS", "64")) }, () => {
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const opened = post({}, { id: 0, method: "initialize", params });
    const session = opened.headers["Mcp-Session-Id"];
    if (!session) fail(`initialize: ${opened.status} ${opened.body}`);
    post(legacyHeaders(session), { method: "notifications/initialized" });
    return session;
  });
}

export function teardown(sessions) {
  for (const session of sessions) http.del(url, null, { headers: { ...common, ...legacyHeaders(session) } });
}

export default function ask(sessions) {
  const isList = Math.random() < listShare;
  const method = isList ? "tools/list" : "tools/call";
  const params = isList ? {} : { name: tool, arguments: toolArguments };
  const id = Math.floor(Math.random() * 1e9);
  const answer =
    era === "legacy"
      ? post(legacyHeaders(sessions[Math.floor(Math.random() * sessions.length)]), { id, method, params })
      : post(
          { "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, ...(isList ? {} : { "Mcp-Name": tool }) },
          { id, method, params: { ...params, _meta: meta } },
        );
  check(answer, {
    "the answer is right": ({ status, headers, body }) => status === 200 && isRight(messageIn(headers, body), id),
  });
}

/** JSON, or the last event of a stream. */
function messageIn(headers, body) {
  const isStream = /^text\/event-stream/i.test(headers["Content-Type"] ?? "");
  const text = isStream
    ? String(body)
        .trim()
        .split(/\n\n/)
        .pop()
        .replace(/^(?:(?!data:).*\n)*data: ?/, "")
    : body;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRight(message, id) {
  return message?.id === id && message.result !== undefined && message.result.isError !== true;
}
