/** The registry on the embedded database, asked as its routes are; every answer is held against the room's own description. */
import { randomBytes } from "node:crypto";
import * as z from "zod";
import type { Principal } from "../../../contract/principal.ts";
import { matchRoute } from "../../../contract/routes.ts";
import { startEmbeddedDatabase } from "../../../gateway/process/index.ts";
import { createRegistry, type RegistryParts, registryDescription } from "../../../gateway/registry/index.ts";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { type GatewayRecord, openStore, type Store } from "../../../gateway/store/index.ts";
import { compiled, dataDirectory } from "../../harness/index.ts";
import { silentLog } from "../coordination/log.ts";

export const admin: Principal = { id: "admin@example.com", kind: "jwt", admin: true, teams: [] };

export type Room = {
  readonly store: Store;
  ask(method: string, target: string, body?: unknown, more?: Asking): Promise<{ status: number; body: Body }>;
  close(): Promise<void>;
};
export type Asking = { readonly principal?: Principal; readonly headers?: Record<string, string> };
export type Body = Record<string, unknown>;

/** Upstreams are reachable unless their host is `away`. */
export async function openRoom(more: Partial<RegistryParts> = {}): Promise<Room> {
  const directory = await dataDirectory();
  const database = await startEmbeddedDatabase({ dataDir: directory.path, env: compiled(), log: silentLog });
  const sealing = createSealer([{ id: "k", secret: randomBytes(32) }]);
  const store = await openStore({ url: database.url, poolSize: 2, poolTimeoutMs: 10_000, log: silentLog, sealing });
  const profile = {
    ...({ era: "legacy", protocolVersion: "2025-11-25", sessionless: true } as const),
    ...{ capabilities: Buffer.from('{"tools":{"listChanged":true}}'), serverInfo: Buffer.from("{}") },
  };
  const nothing = { tools: [], prompts: [], resources: [], resourceTemplates: [], incomplete: [] };
  const registry = createRegistry({
    ...{ store, log: silentLog, separator: "__", changed: async () => undefined },
    async inspect({ url }: GatewayRecord) {
      if (url?.includes("away") === true) throw new Error("away");
      return { profile, ...nothing, kept: ["tools"] };
    },
    ...more,
  });
  return {
    store,
    async ask(method, target, body, { principal = admin, headers = {} } = {}) {
      const [path = "", query = ""] = target.split("?");
      const found = matchRoute(method, path);
      if (found.kind !== "route") throw new Error(`${method} ${path} is ${found.kind}`);
      const bytes = Buffer.from(JSON.stringify(body ?? {}));
      const request = { method, path, query, headers, remoteAddress: "127.0.0.1", body: bytes };
      const answer = await registry.handle(found.route, found.params, request, principal);
      const { answer: name = "", list } = registryDescription.routeOf(found.route) ?? {};
      const schema = registryDescription.schemas[name];
      if (!(schema instanceof z.ZodObject)) throw new Error(`${found.route.id} is not described`);
      // What is sent is JSON.
      const sent: unknown = JSON.parse(JSON.stringify(answer.body));
      for (const one of list ? z.array(z.unknown()).parse(sent) : [sent]) z.strictObject(schema.shape).parse(one);
      return { status: answer.status, body: list ? { rows: sent } : z.record(z.string(), z.unknown()).parse(sent) };
    },
    async close() {
      await store.close();
      await database.stop();
      await directory.remove();
    },
  };
}

/** The problems of a refusal, as `path: allowed`. */
export async function problemsOf(work: Promise<unknown>): Promise<string[]> {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  const problem = z.object({ path: z.string(), allowed: z.string() });
  const { data } = z.object({ data: z.object({ problems: z.array(problem) }) }).parse(failure);
  return data.problems.map(({ path, allowed }) => `${path}: ${allowed}`);
}
