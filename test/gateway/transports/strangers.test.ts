/** Connections that send no token and no body, and those who have one to show: over every way into the application. */
import { afterEach, describe, expect, it } from "vitest";
import type { RequestHead } from "../../../contract/http.ts";
import type { Route } from "../../../contract/routes.ts";
import { createAdmission } from "../../../gateway/admission/index.ts";
import type { EngineName } from "../../../gateway/engine/index.ts";
import { placesOf } from "../../../gateway/start-admission.ts";
import { send, waitFor } from "../../harness/index.ts";
import { headOf, principal, ticketOf } from "../admission/heads.ts";
import { type Http1Client, http1Client } from "../engine/http1-client.ts";
import { ask, http2Session } from "../engine/http2-client.ts";
import { lanes } from "../engine/lanes.ts";
import { engineNames, gateway, type Served, served, snapshot } from "./harness.ts";

const AUTH = { secret: "0123456789abcdef0123456789abcdef", required: true };
const PING = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
const SLOTS = 4;
let room: Served | undefined;
afterEach(async () => {
  await room?.close();
  room = undefined;
});

async function start(engine: EngineName, strangersBodyMs: number): Promise<Served> {
  const one = await served({
    catalogue: snapshot({ gateways: [gateway("one")] }),
    scripts: { one: { era: "legacy", answer: () => undefined } },
    auth: AUTH,
    engine,
    maxInFlight: SLOTS,
    strangersBodyMs,
  });
  room = one;
  return one;
}

const bearer = async ({ auth }: Served, expMinutes = 10) =>
  `Bearer ${await auth.mint({ username: "ada@example.com", expMinutes })}`;
const post = (length: number, authorization?: string) =>
  `POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${length}\r\n${
    authorization === undefined ? "" : `Authorization: ${authorization}\r\n`
  }\r\n`;

/** Half of the slots are theirs, and the others are refused. */
const isTaken = ({ admission }: Served, refused: number) => {
  const { inFlight, refused: found } = admission.gauges();
  return inFlight.call === SLOTS / 2 && found.call.share === refused;
};

describe.each(lanes)("callers without a token over HTTP/1.1: $title", ({ engine, first }) => {
  async function enter({ port }: Served): Promise<Http1Client> {
    const client = await http1Client(port);
    if (first === "") return client;
    client.send(first.replace("a.example", "127.0.0.1"));
    expect((await client.next("POST")).status).toBe(404);
    return client;
  }

  it("do not keep out who has shown one, though they send no body", async () => {
    const one = await start(engine, 20_000);
    const authorization = await bearer(one);
    const ada = await enter(one);
    const call = async () => {
      ada.send(post(PING.length, authorization) + PING);
      return (await ada.next()).status;
    };
    expect(await call()).toBe(200);
    const strangers = await Promise.all(Array.from({ length: 2 * SLOTS }, () => enter(one)));
    for (const stranger of strangers) stranger.send(post(10));
    await waitFor(() => isTaken(one, 2 * SLOTS - SLOTS / 2));
    expect(await call()).toBe(200);
    for (const { raw } of strangers) raw.socket.destroy();
    await waitFor(() => one.inFlight() === 0);
  });

  it("are told when their body does not come, and lose their slot", async () => {
    const one = await start(engine, 50);
    const stranger = await enter(one);
    stranger.send(post(10));
    const answer = await stranger.next();
    expect([answer.status, JSON.parse(answer.body).error.data.code]).toEqual([503, "MCPS_BODY_LATE"]);
    await waitFor(() => one.inFlight() === 0);
  });
});

describe.each(engineNames)("callers without a token over HTTP/2: %s", (engine) => {
  it("do not keep out who has shown one, though they send no body", async () => {
    const one = await start(engine, 20_000);
    const headers = { ":path": "/rpc", ":method": "POST", authorization: await bearer(one) };
    const session = await http2Session(one.url);
    expect((await ask(session, headers, PING)).status).toBe(200);
    const other = await http2Session(one.url);
    for (let index = 0; index < 2 * SLOTS; index++)
      other.request({ ":path": "/rpc", ":method": "POST" }, { endStream: false }).on("error", () => undefined);
    await waitFor(() => isTaken(one, 2 * SLOTS - SLOTS / 2));
    expect((await ask(session, headers, PING)).status).toBe(200);
    session.close();
    other.destroy();
  });
});

describe("a token", () => {
  it("stands for its owner until it is refused", async () => {
    const one = await start("bounded", 20_000);
    const authorization = await bearer(one, 1);
    const head = headOf({ authorization });
    const client = await http1Client(one.port);
    const call = async () => {
      client.send(post(PING.length, authorization) + PING);
      return (await client.next()).status;
    };
    const isStranger = () => {
      const ticket = ticketOf(one.admission.enter("call", head));
      const { bodyWithinMs } = ticket;
      ticket.leave();
      return bodyWithinMs !== undefined;
    };
    expect(isStranger()).toBe(true);
    expect([await call(), isStranger()]).toEqual([200, false]);
    one.clock.now += 120_000;
    expect([await call(), isStranger()]).toEqual([401, true]);
  });
});

describe("calls over a connection of their own", () => {
  it("are counted to the principal, with what it holds over HTTP, and not to the address that many may share", () => {
    const admission = createAdmission({ maxInFlight: 4, maxStreams: 0, fairFrom: 0 });
    const { enterCall } = placesOf(admission);
    const proxy = headOf({ authorization: "Bearer ada" });
    const [ada, bob] = [principal("ada"), principal("bob")];
    ticketOf(admission.enter("call", proxy)).identify(proxy, ada);
    const outcome = (who: typeof ada) => {
      const entered = enterCall(headOf({}), who);
      return entered instanceof Error ? entered.code : "in";
    };
    expect([bob, bob, bob, ada, ada].map(outcome)).toEqual(["in", "in", "MCPS_SHARE", "in", "MCPS_OVERLOADED"]);
  });
});

describe.each(engineNames)("tokens that are guessed (%s)", (engine) => {
  it("are told to the limits, and right ones are not", async () => {
    const guessed: string[] = [];
    const nothing = () => undefined;
    const limits = {
      ...{ peek: nothing, arrive: nothing, request: nothing },
      guessed: (route: Route, { remoteAddress }: RequestHead) => void guessed.push(`${route.id} ${remoteAddress}`),
    };
    const catalogue = snapshot({ gateways: [] });
    const one = await served({ catalogue, scripts: {}, auth: AUTH, engine, limits });
    room = one;
    const statusOf = async (path: string, headers: Readonly<Record<string, string>>) =>
      (await send("GET", one.url + path, headers)).status;
    const authorization = "Bearer guess";
    expect([
      await statusOf("/_auth", {}),
      await statusOf("/_auth", { authorization }),
      // The gateway's own answers are not there.
      await statusOf("/_auth", { authorization: await bearer(one) }),
      await statusOf("/tools", { authorization }),
    ]).toEqual([401, 401, 404, 401]);
    expect(guessed).toEqual(["identity 127.0.0.1", "identity 127.0.0.1", "tools.list 127.0.0.1"]);
  });
});
