/** What most sections measure, started once: the upstream, nginx in front of it, and a gateway of each engine that this version has. */
import { ENGINES, type Gateway, knowsEngine, openSessions, register, startGateway } from "./gateway.ts";
import { type Nginx, startNginx } from "./nginx.ts";
import { call, legacyShot, type Shot } from "./requests.ts";
import type { Lane } from "./rounds.ts";
import { echoed, startUpstream, TEXT, type Upstream } from "./upstream.ts";

/** A gateway with the upstream registered under each of its variants, and legacy sessions that its callers hold. */
export type Staged = Gateway & {
  readonly mcpUrl: string;
  readonly sessions: readonly string[];
};

export type Stage = {
  readonly upstream: Upstream;
  readonly nginx: Nginx | undefined;
  readonly gateways: readonly Staged[];
  readonly missing: readonly string[];
  close(): Promise<void>;
};

/** Callers share them; nothing is won by one session's being known. */
const SESSIONS = 16;

export async function setStage(directory: string): Promise<Stage> {
  const ends: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends.reverse()) await end();
  };
  try {
    const upstream = await startUpstream(directory);
    ends.push(upstream.stop);
    const missing =
      upstream.language === "C" ? [] : ["a C compiler (the upstream runs in Node and limits what is measured)"];
    const nginx = await startNginx(directory, upstream.url("legacy"));
    if (nginx === undefined) missing.push("nginx");
    else ends.push(nginx.part.stop);
    const gateways: Staged[] = [];
    for (const engine of ENGINES) {
      if (!knowsEngine(engine)) {
        missing.push(`the engine ${engine}`);
        continue;
      }
      const gateway = await startGateway(directory, engine);
      ends.push(gateway.part.stop);
      gateways.push(await furnished(gateway, upstream));
    }
    return { upstream, nginx, gateways, missing, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnished(gateway: Gateway, upstream: Upstream): Promise<Staged> {
  await register(gateway, { name: "legacy", url: upstream.url("legacy") });
  if (upstream.language === "C") {
    await register(gateway, { name: "session", url: upstream.url("session") });
    await register(gateway, { name: "modern", url: upstream.url("modern") });
  }
  const mcpUrl = `${gateway.origin}/mcp`;
  return { ...gateway, mcpUrl, sessions: await openSessions(mcpUrl, gateway.userToken, SESSIONS) };
}

/** A call of a legacy client in each of its sessions. */
export function legacyCalls({ userToken, sessions }: Staged, tool: string): readonly Shot[] {
  return sessions.map((session) => legacyShot(call(tool, TEXT), userToken, session));
}

export type Kind = { readonly tool: string; readonly connections: number; readonly expect?: string };

/** The same call without anything between, through nginx, and of a legacy session through each gateway. */
export function callLanes({ upstream, nginx, gateways }: Stage, { tool, connections, expect }: Kind): readonly Lane[] {
  const common = { connections, expect: expect ?? echoed(upstream) };
  const url = upstream.url("legacy");
  const plain = { ...common, shots: [legacyShot(call(tool, TEXT))] };
  return [
    { ...plain, name: "direct", url },
    ...(nginx === undefined
      ? []
      : [{ ...plain, name: "nginx", url: nginx.origin + new URL(url).pathname, pid: nginx.part.pid }]),
    ...gateways.map((gateway) => ({
      ...common,
      name: gateway.engine,
      url: gateway.mcpUrl,
      shots: legacyCalls(gateway, `legacy__${tool}`),
      pid: gateway.pid,
    })),
  ];
}
