/** The example server over stdio with the official clients of both lines, and its arithmetic of zones by itself. */
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterEach, describe, expect, test } from "vitest";
import { convertTime, currentTime, TimeError, zoneNames } from "../../examples/time-zones.ts";

const server = {
  command: process.execPath,
  args: [new URL("../../examples/time-server.ts", import.meta.url).pathname],
};
const winter = Temporal.Instant.from("2026-01-15T12:00:00Z");

describe("time zones", () => {
  test.each([
    ["Europe/Berlin", "Europe/Dublin", "09:00", "2026-01-15T09:00:00+01:00", "2026-01-15T08:00:00+00:00", -1],
    ["America/New_York", "Asia/Kolkata", "20:30", "2026-01-15T20:30:00-05:00", "2026-01-16T07:00:00+05:30", 10.5],
    ["UTC", "Pacific/Kiritimati", "9:05", "2026-01-15T09:05:00+00:00", "2026-01-15T23:05:00+14:00", 14],
  ])("%s → %s at %s", (source, target, time, there, here, differenceHours) => {
    const conversion = convertTime(source, target, time, winter);
    expect([
      conversion.source.datetime,
      conversion.target.datetime,
      conversion.differenceHours,
      conversion.note,
    ]).toEqual([there, here, differenceHours, undefined]);
  });

  test("the date is today's in the source zone", () => {
    const now = Temporal.Instant.from("2026-01-15T20:00:00Z");
    expect(convertTime("Asia/Tokyo", "UTC", "00:30", now).source.date).toBe("2026-01-16");
    expect(convertTime("America/Los_Angeles", "UTC", "23:30", now).source.date).toBe("2026-01-15");
  });

  test("a skipped and a doubled time say so", () => {
    const spring = convertTime("Europe/Berlin", "UTC", "02:30", Temporal.Instant.from("2026-03-29T00:00:00Z"));
    expect([spring.source.datetime, spring.note]).toEqual([
      "2026-03-29T03:30:00+02:00",
      "02:30 does not exist on 2026-03-29 in Europe/Berlin: the clocks go forward; 03:30 was used",
    ]);
    const autumn = convertTime("Europe/Berlin", "UTC", "02:30", Temporal.Instant.from("2026-10-25T00:00:00Z"));
    expect([autumn.source.datetime, autumn.note]).toEqual([
      "2026-10-25T02:30:00+02:00",
      "02:30 happens twice on 2026-10-25 in Europe/Berlin: the clocks go back; the first was used",
    ]);
  });

  test.each(["", "24:00", "9", "09:60", "9:5", "09:00:00", "noon"])(
    "the time %j is refused with what is allowed",
    (time) => {
      expect(() => convertTime("UTC", "UTC", time, winter)).toThrow("Allowed is HH:MM from 00:00 to 23:59.");
    },
  );

  test.each(["Berlin", "+02:00", "", "Europe/Berlin\0", "Mars/Phobos"])("the zone %j is refused", (zone) => {
    expect(() => currentTime(zone, winter)).toThrow(TimeError);
    expect(() => convertTime("UTC", zone, "09:00", winter)).toThrow(TimeError);
  });

  test("a refusal names similar zones", () => {
    expect(() => currentTime("Berlin", winter)).toThrow("Did you mean Europe/Berlin?");
  });

  test("every listed zone can be used", () => {
    expect(zoneNames()).toContain("Europe/Dublin");
    for (const zone of zoneNames()) expect(currentTime(zone, winter).timezone).toBe(zone);
  });
});

type Call = (name: string, args: Record<string, unknown>) => Promise<{ content: unknown; isError?: unknown }>;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function v1(): Promise<ClientV1> {
  const client = new ClientV1({ name: "v1", version: "1" });
  await client.connect(new StdioV1(server));
  closers.push(() => client.close());
  return client;
}
async function v2(mode: "legacy" | "auto"): Promise<ClientV2> {
  const client = new ClientV2({ name: "v2", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StdioV2(server));
  closers.push(() => client.close());
  return client;
}

const eras: [string, string | undefined, () => Promise<ClientV1 | ClientV2>][] = [
  ["v1 client", undefined, v1],
  ["v2 client, legacy", "2025-11-25", () => v2("legacy")],
  ["v2 client, modern", "2026-07-28", () => v2("auto")],
];

describe.each(eras)("the server with the %s", (_, version, connect) => {
  test("serves its tools, resources and prompt", async () => {
    const client = await connect();
    if (client instanceof ClientV2) expect(client.getNegotiatedProtocolVersion()).toBe(version);
    const call: Call = async (name, args) => {
      const { content, isError } = await client.callTool({ name, arguments: args });
      return { content, ...(isError === undefined ? {} : { isError }) };
    };
    const text = (value: string) => ({ content: [{ type: "text", text: value }] });
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual([
      "convert_time",
      "get_current_time",
      "echo",
      "add",
      "slow",
    ]);
    expect(await call("echo", { message: "a\u2028ü" })).toEqual(text("a\u2028ü"));
    expect(await call("add", { a: 1.5, b: 2 })).toEqual(text("3.5"));
    expect(await call("add", { a: 2, b: "9007199254740993" })).toEqual(text("9007199254740995"));
    expect((await call("add", { a: 1.5, b: "2" })).isError).toBe(true);
    expect((await call("add", { a: 2 ** 53, b: 1 })).isError).toBe(true);
    expect((await call("add", { a: true, b: 1 })).isError).toBe(true);
    expect((await call("slow", { ms: 60_001 })).isError).toBe(true);
    expect((await call("get_current_time", { timezone: "Nowhere" })).isError).toBe(true);
    const converted = await call("convert_time", {
      source_timezone: "Europe/Berlin",
      target_timezone: "Europe/Dublin",
      time: "09:00",
    });
    expect(JSON.stringify(converted)).toMatch(/\\"time\\": \\"09:00\\".*\\"time\\": \\"08:00\\"/);
    const zones = (await client.readResource({ uri: "time://zones" })).contents[0];
    expect(zones !== undefined && "text" in zones && JSON.parse(String(zones.text))).toEqual(zoneNames());
    const now = (await client.readResource({ uri: "time://now/Europe/Berlin" })).contents[0];
    expect(now !== undefined && "text" in now && JSON.parse(String(now.text)).timezone).toBe("Europe/Berlin");
    await expect(client.readResource({ uri: "time://now/Nowhere" })).rejects.toMatchObject({ code: -32602 });
    expect((await client.listResourceTemplates()).resourceTemplates[0]?.uriTemplate).toBe("time://now/{+zone}");
    const prompt = await client.getPrompt({ name: "schedule_meeting", arguments: { topic: "x", timezones: "UTC" } });
    expect(prompt.messages).toHaveLength(1);
  });

  test("reports progress and can be cancelled", async () => {
    const client = await connect();
    const steps: number[] = [];
    const options = { onprogress: ({ progress }: { progress: number }) => void steps.push(progress) };
    const slow = { name: "slow", arguments: { ms: 200 } };
    if (client instanceof ClientV2) await client.callTool(slow, options);
    else await client.callTool(slow, undefined, options);
    // Both clients drop progress that arrives in one read with the response: the last steps may be missing, none in between.
    expect(steps.length).toBeGreaterThan(0);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].slice(0, steps.length));
    const cancel = new AbortController();
    const long = { name: "slow", arguments: { ms: 60_000 } };
    const cancelling = { signal: cancel.signal };
    setImmediate(() => cancel.abort("enough"));
    const call =
      client instanceof ClientV2 ? client.callTool(long, cancelling) : client.callTool(long, undefined, cancelling);
    await expect(call).rejects.toThrow();
    expect((await client.callTool({ name: "echo", arguments: { message: "still here" } })).content).toHaveLength(1);
  });
});
