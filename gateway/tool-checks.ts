/**
 * What goes into tools and comes out of them, compared with what may: sizes, texts, and the schemas that the registry knows of them. Part of the
 * composition root. Does nothing unless a setting asks for it.
 */
import { type Fault, fault } from "../contract/errors.ts";
import type { Settings } from "../contract/settings.ts";
import type { Federation, Route } from "./federation/index.ts";
import { memberAt, type Span, valueAt } from "./mcp/index.ts";
import type { CallWatch, WatchedCall } from "./sessions/index.ts";
import type { Store } from "./store/index.ts";
import type { Log } from "./telemetry/index.ts";
import { type Check, compileCheck } from "./upstreams/index.ts";

type Checks = { readonly input: Check | undefined; readonly output: Check | undefined };
type ChecksInput = {
  readonly settings: Pick<
    Settings,
    "VALIDATION_MAX_RPC_PARAM_SIZE" | "MAX_PARAM_LENGTH" | "TOOL_ARGUMENTS_CHECK" | "TOOL_RESULTS_CHECK"
  >;
  readonly store: Pick<Store, "getItem">;
  readonly federation: () => Pick<Federation, "snapshot">;
  readonly log: Log;
  readonly count: (what: "arguments" | "result") => void;
};

const NO_CHECKS: Checks = { input: undefined, output: undefined };
const NO_ARGUMENTS = Buffer.from("{}");

export function toolChecks({ settings, store, federation, log, count }: ChecksInput): CallWatch {
  const { VALIDATION_MAX_RPC_PARAM_SIZE: maxBytes, MAX_PARAM_LENGTH: maxChars } = settings;
  const { TOOL_ARGUMENTS_CHECK: ofArguments, TOOL_RESULTS_CHECK: ofResults } = settings;
  const hasSchemas = ofArguments !== "off" || ofResults !== "off";
  const isIdle = !hasSchemas && maxBytes === 0 && maxChars === 0;
  // Views make their routes anew whenever the registry changes.
  const known = new WeakMap<Route, Checks>();

  async function checksOf(route: Route): Promise<Checks> {
    const name = route.target?.value;
    const gatewayId = route.upstream.record.id;
    const item = federation().snapshot.items.find(
      (one) => one.kind === "tool" && one.gatewayId === gatewayId && one.originalName === name,
    );
    const detail = item === undefined ? undefined : await store.getItem(["tool"], item.id);
    const { inputSchema, outputSchema }: { inputSchema?: unknown; outputSchema?: unknown } =
      detail === undefined ? {} : JSON.parse(detail.definition);
    const made = { input: compiled(route, inputSchema), output: compiled(route, outputSchema) };
    known.set(route, made);
    return made;
  }

  /** A schema that cannot be compiled checks nothing, and says so once. */
  function compiled(route: Route, schema: unknown): Check | undefined {
    if (schema === undefined) return undefined;
    try {
      return compileCheck(schema);
    } catch {
      log.warn("a tool's schema cannot be used to check it", namesOf(route));
      return undefined;
    }
  }

  function begin(call: WatchedCall, checks: Checks): Fault | undefined {
    if (ofArguments === "off" || checks.input === undefined) return undefined;
    const reason = checks.input(readAt(call.body, argumentsOf(call)));
    if (reason === undefined) return undefined;
    count("arguments");
    // Without what was wrong: that may be a secret of the caller.
    log.warn("arguments do not fit the tool's schema", namesOf(call.route));
    return ofArguments === "warn" ? undefined : unfit(call.route, reason);
  }

  return {
    mayBegin(call) {
      if (isIdle || call.envelope.method !== "tools/call") return undefined;
      const failure = sizeFault(call, maxBytes, maxChars);
      if (failure !== undefined || !hasSchemas) return failure;
      const checks = known.get(call.route);
      if (checks !== undefined) return begin(call, checks);
      return checksOf(call.route).then(
        (found) => begin(call, found),
        (error: unknown) => {
          log.warn("a tool's schema could not be read", { ...namesOf(call.route), reason: String(error) });
          return ofArguments === "enforce" ? unfit(call.route, "its schema cannot be read now") : undefined;
        },
      );
    },
    ...(ofResults === "off"
      ? {}
      : {
          mayAnswer(call, raw, result) {
            if (call.envelope.method !== "tools/call") return undefined;
            const { output } = known.get(call.route) ?? NO_CHECKS;
            if (output === undefined || readAt(raw, memberAt(raw, result, "isError")) === true) return undefined;
            const content = memberAt(raw, result, "structuredContent");
            const reason = content === undefined ? "structuredContent is missing" : output(readAt(raw, content));
            if (reason === undefined) return undefined;
            count("result");
            log.warn("a result does not fit the tool's schema", namesOf(call.route));
            if (ofResults === "warn") return undefined;
            return fault("MCPS_TOOL_RESULT", { ...namesOf(call.route), reason });
          },
        }),
    ended: () => undefined,
  };
}

function namesOf({ upstream, target }: Route): { readonly upstream: string; readonly tool: string } {
  return { upstream: upstream.record.slug, tool: target?.value.slice(0, 200) ?? "" };
}

function unfit(route: Route, reason: string): Fault {
  return fault("MCPS_TOOL_ARGUMENTS", { ...namesOf(route), reason });
}

function argumentsOf({ body, envelope }: WatchedCall): Span | undefined {
  return memberAt(body, envelope.params, "arguments");
}

/** Arguments that are left out are none. */
function readAt(bytes: Buffer, span: Span | undefined): unknown {
  return span === undefined ? valueAt(NO_ARGUMENTS, { start: 0, end: 2 }) : valueAt(bytes, span);
}

/** 0 sets no limit. */
function sizeFault(call: WatchedCall, maxBytes: number, maxChars: number): Fault | undefined {
  const span = maxBytes === 0 && maxChars === 0 ? undefined : argumentsOf(call);
  if (span === undefined) return undefined;
  const bytes = span.end - span.start;
  if (maxBytes > 0 && bytes > maxBytes)
    return unfit(call.route, `they have ${bytes} bytes, ${maxBytes} at most (VALIDATION_MAX_RPC_PARAM_SIZE)`);
  // What is shorter as a whole holds no longer text.
  if (maxChars === 0 || bytes <= maxChars) return undefined;
  const longest = longestText(valueAt(call.body, span));
  if (longest <= maxChars) return undefined;
  return unfit(call.route, `a text has ${longest} characters, ${maxChars} at most (MAX_PARAM_LENGTH)`);
}

/** In UTF-16 code units; names of members count too. */
function longestText(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) return value.reduce<number>((longest, one) => Math.max(longest, longestText(one)), 0);
  if (typeof value !== "object" || value === null) return 0;
  return Object.entries(value).reduce(
    (longest, [name, member]) => Math.max(longest, name.length, longestText(member)),
    0,
  );
}
