// Runs mcp.k6.js without k6: modules of the same names record what the script asks and answer as a gateway would. Prints one JSON line.
import { registerHooks } from "node:module";

globalThis.__ENV = JSON.parse(process.argv[2] ?? "{}");
const times = Number(process.argv[3] ?? "1");
globalThis.k6 = { requests: [], checks: [] };

const result = (id) => {
  const message = { jsonrpc: "2.0", id, result: { content: [] } };
  // Every other answer comes as a stream.
  if (globalThis.k6.requests.length % 2 === 0)
    return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(message) };
  const event = `event: message\ndata: ${JSON.stringify(message)}\n\n`;
  return { headers: { "Content-Type": "text/event-stream" }, body: `id: 1\ndata:\n\n${event}` };
};
globalThis.k6.http = {
  post(url, body, { headers, redirects }) {
    const message = JSON.parse(body);
    globalThis.k6.requests.push({ method: "POST", url, headers, redirects, message });
    if (message.method !== "initialize") return { status: 200, ...result(message.id) };
    return { status: 200, headers: { "Mcp-Session-Id": `session-${globalThis.k6.requests.length}` }, body: "" };
  },
  del: (url, _, { headers }) => globalThis.k6.requests.push({ method: "DELETE", url, headers }),
};
globalThis.k6.check = (answer, checks) =>
  globalThis.k6.checks.push(...Object.values(checks).map((holds) => holds(answer)));
globalThis.k6.fail = (text) => {
  throw new Error(text);
};

const modules = {
  k6: "export const { check, fail } = globalThis.k6;",
  "k6/http": "export default globalThis.k6.http;",
};
registerHooks({
  resolve: (name, context, next) =>
    Object.hasOwn(modules, name)
      ? { url: `data:text/javascript,${encodeURIComponent(modules[name])}`, shortCircuit: true }
      : next(name, context),
});

const script = await import("./mcp.k6.js");
const data = script.setup();
for (let time = 0; time < times; time += 1) script.default(data);
script.teardown(data);
const { requests, checks } = globalThis.k6;
process.stdout.write(`${JSON.stringify({ options: script.options, requests, checks })}\n`);
