/** Asks a workload's probes from outside, as a platform does. */
import { spawn } from "node:child_process";
import { get } from "node:http";
import { get as getOverTls } from "node:https";
import { connect } from "node:net";
import type { Probe } from "../../topology/index.ts";

/** How a probe's program is run: as the workload itself is. */
export type CommandContext = {
  readonly environment: Readonly<Record<string, string>>;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly directory: string;
};

/** Undefined for yes, else why not. Never rejects; bounded by the probe's own timeout. */
export function ask(probe: Probe, host: string, context: CommandContext): Promise<string | undefined> {
  const timeoutMs = probe.timeoutS * 1000;
  const { check } = probe;
  if (check.kind === "http") return askHttp(host, check, timeoutMs);
  if (check.kind === "tcp") return askTcp(host, check.port, timeoutMs);
  return askCommand(check.command, context, timeoutMs);
}

/** 200 to 399, as the kubelet counts it (Kubernetes documentation, liveness and readiness probes). */
function askHttp(
  host: string,
  { scheme, port, path }: Extract<Probe["check"], { readonly kind: "http" }>,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { host, port, path, agent: false, signal, headers: { connection: "close" } } as const;
    // Whether it answers is asked; who it is, is the clients' question.
    const ask = scheme === "http" ? get : getOverTls;
    const request = ask({ ...options, rejectUnauthorized: false }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? undefined : `GET ${path} at port ${port}: ${status}`);
    });
    request.once("error", (error) =>
      resolve(`GET ${path} at port ${port}: ${signal.aborted ? `no answer in ${timeoutMs} ms` : error.message}`),
    );
  });
}

function askTcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (answer: string | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => settle(`port ${port}: no connection in ${timeoutMs} ms`));
    socket.once("connect", () => settle(undefined));
    socket.once("error", (error) => settle(`port ${port}: ${error.message}`));
  });
}

const MAX_PRINTED = 2000;

function askCommand(
  command: readonly string[],
  { environment, uid, gid, directory }: CommandContext,
  timeoutMs: number,
): Promise<string | undefined> {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...environment },
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    let printed = "";
    const keep = (chunk: Buffer) => {
      if (printed.length < MAX_PRINTED) printed += chunk.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.once("error", (error) => {
      clearTimeout(timer);
      resolve(`${program}: ${error.message}`);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const how = signal === "SIGKILL" ? `no answer in ${timeoutMs} ms` : `ended with ${signal ?? `exit code ${code}`}`;
      resolve(code === 0 ? undefined : `${program} ${how}${printed === "" ? "" : `: ${lastLine(printed)}`}`);
    });
  });
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
