/** What a deployment promises and a running one can be asked: one expectation for each limit, setting and edge of the plan. */

/** How it is found out; the observer of a target knows where. */
export type Question =
  /** Soft limits of open files, the least over all processes of an instance. */
  | { readonly kind: "descriptors" }
  /** Processes with this title. */
  | { readonly kind: "processes"; readonly title: string }
  | { readonly kind: "postgres"; readonly parameter: string }
  | { readonly kind: "pgbouncer"; readonly key: string }
  | { readonly kind: "redis"; readonly key: string }
  /** Of the listening sockets at the port, the least. */
  | { readonly kind: "backlog"; readonly port: number }
  | { readonly kind: "sysctl"; readonly name: string }
  /** Bytes that the instance's control group may have. */
  | { readonly kind: "memory" }
  | { readonly kind: "fingerprint"; readonly port: number }
  /** Whether a connection comes about. */
  | { readonly kind: "reach"; readonly host: string; readonly port: number };

export type Rule =
  /** As text. */
  | { readonly kind: "equal"; readonly to: string }
  | { readonly kind: "at least"; readonly least: number }
  /** Sizes as a daemon writes them (`256MB`), compared in bytes. */
  | { readonly kind: "bytes"; readonly bytes: number }
  /** A backlog is cut to net.core.somaxconn of the instance without a word (listen(2)). */
  | { readonly kind: "backlog"; readonly planned: number };

export type Expectation = {
  /** Of the topology; every instance of it is asked. */
  readonly workload: string;
  /** For people: `descriptors`, `max_connections`. */
  readonly what: string;
  readonly question: Question;
  readonly rule: Rule;
};

/** What was found at one instance; or why nothing could be. */
export type Observation = {
  readonly instance: string;
  readonly answer: { readonly value: string } | { readonly unknown: string };
  /** net.core.somaxconn there, where it matters and is known. */
  readonly somaxconn?: number;
};

export type Verdict = "OK" | "WRONG" | "NOT CHECKED";

export type Finding = {
  readonly verdict: Verdict;
  readonly instance: string;
  readonly what: string;
  readonly planned: string;
  /** What was found, or why it was not looked for. */
  readonly found: string;
};
