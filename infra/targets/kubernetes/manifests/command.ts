/** What Kubernetes runs beside a process, and how its commands are written: not for a shell, and with escapes of their own. */
import type { Probe, Shutdown } from "../../../topology/index.ts";
import { seconds } from "./quantity.ts";
import type { Tree } from "./site.ts";

/**
 * `$(NAME)` in commands, arguments and variables is replaced by Kubernetes, and `$$` is its escape for `$`. Kubernetes documentation,
 * dependent environment variables.
 */
export function literal(text: string): string {
  return text.replace(/\$(?=[$(])/g, "$$$$");
}

/**
 * What happens before SIGTERM: the wait until nobody sends anything new. A process that another signal ends gets it here, and nothing
 * else comes until it is gone: a hook that returned would let SIGTERM follow at once. Undefined where there is nothing to do.
 * Kubernetes documentation, container lifecycle hooks; the `sleep` action is on by default since 1.30.
 */
export function preStop({ signal, waitS }: Shutdown, minor: number): Tree | undefined {
  const wait = seconds(waitS);
  if (signal === "SIGTERM") {
    if (wait === 0) return undefined;
    return minor >= 30 ? { sleep: { seconds: wait } } : { exec: { command: ["sleep", String(wait)] } };
  }
  const send = `kill -${signal.replace("SIG", "")} 1`;
  const script = [...(wait === 0 ? [] : [`sleep ${wait}`]), send, "while kill -0 1 2>/dev/null; do sleep 1; done"].join(
    "; ",
  );
  // Hooks are the one place where Kubernetes replaces nothing.
  return { exec: { command: ["sh", "-c", script] } };
}

export function probeOf({ periodS, timeoutS, failureThreshold, check }: Probe): Tree {
  return {
    periodSeconds: seconds(periodS),
    timeoutSeconds: Math.max(1, seconds(timeoutS)),
    failureThreshold,
    ...handlerOf(check),
  };
}

function handlerOf(check: Probe["check"]): Tree {
  const scheme = check.kind === "http" && check.scheme === "https" ? { scheme: "HTTPS" } : {};
  if (check.kind === "http") return { httpGet: { ...scheme, port: check.port, path: check.path } };
  if (check.kind === "tcp") return { tcpSocket: { port: check.port } };
  return { exec: { command: check.command.map(literal) } };
}
