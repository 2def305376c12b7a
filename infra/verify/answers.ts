/** How each question is put to an instance, with nothing but the tools that are in its image. */
import type { Workload } from "../topology/index.ts";
import type { Expectation, Observation, Question } from "./expectation.ts";
import type { Instance, Observer, Ran } from "./observer.ts";
import { membersOf, readProcessTable } from "./processes.ts";

type Answer = Observation["answer"];

/** Asks every instance of the expectation's workload. `cache` holds what one command has told about several things. */
export async function observe(
  { workload: name, question }: Expectation,
  workload: Workload,
  observer: Observer,
  cache: Map<string, Promise<Ran>>,
): Promise<readonly Observation[]> {
  const instances = await observer.instances(workload);
  return await Promise.all(
    instances.map(async (instance) => {
      const ask = (command: readonly string[]) => {
        const key = JSON.stringify([name, instance.name, command]);
        const known = cache.get(key) ?? observer.run(instance, command);
        cache.set(key, known);
        return known;
      };
      const answer = await answerTo(question, instance, ask).catch(
        (error: unknown): Answer => ({ unknown: reasonOf(error) }),
      );
      if (question.kind !== "backlog") return { instance: instance.name, answer };
      const somaxconn = await ask(["cat", "/proc/sys/net/core/somaxconn"]).then(
        ({ stdout }) => Number(stdout),
        () => 0,
      );
      return { instance: instance.name, answer, ...(somaxconn > 0 ? { somaxconn } : {}) };
    }),
  );
}

type Ask = (command: readonly string[]) => Promise<Ran>;

function answerTo(question: Question, instance: Instance, ask: Ask): Promise<Answer> {
  switch (question.kind) {
    case "descriptors":
      return descriptors(instance, ask);
    case "processes":
      return countOf(question.title, instance, ask);
    case "postgres":
      return toldBy(ask(postgresCommand(instance.workload, question.parameter)), (text) => text.trim());
    case "pgbouncer":
      return toldBy(ask(pgbouncerCommand(instance.workload)), (text) => columnOf(text, question.key));
    case "redis":
      return toldBy(ask(redisCommand(instance.workload, question.key)), (text) => text.trim().split("\n")[1]);
    case "backlog":
      return toldBy(ask(["sh", "-c", LISTENERS]), (text) => backlogIn(text, question.port));
    case "sysctl":
      return toldBy(ask(["cat", `/proc/sys/${question.name.replaceAll(".", "/")}`]), (text) =>
        text.trim().replaceAll(/\s+/g, " "),
      );
    case "memory":
      return toldBy(ask(["sh", "-c", MEMORY]), (text) => text.trim());
    case "fingerprint":
      return toldBy(ask(fingerprintCommand(instance.workload, question.port)), (text) => text.trim());
    case "reach":
      return reach(question, instance.workload, ask);
  }
}

/** The answer within what a program printed; unknown where it could not do its work. */
async function toldBy(running: Promise<Ran>, read: (stdout: string) => string | undefined): Promise<Answer> {
  const { code, stdout, stderr } = await running;
  if (code !== 0) return { unknown: firstLine(stderr) || `its program ended with exit code ${code}` };
  const value = read(stdout);
  return value === undefined || value === "" ? { unknown: "it did not tell" } : { value };
}

const TABLE = [
  "cat /proc/[0-9]*/stat 2>/dev/null",
  "echo --",
  "grep -a 'Max open files' /proc/[0-9]*/limits 2>/dev/null",
  "echo --",
  "grep -a '' /proc/[0-9]*/cmdline 2>/dev/null | tr '\\000' ' '",
  "true",
].join("; ");

/** The least of all processes: one that is short is enough to fail. */
async function descriptors(instance: Instance, ask: Ask): Promise<Answer> {
  const { stdout } = await ask(["sh", "-c", TABLE]);
  const limits = membersOf(readProcessTable(stdout), instance).flatMap(({ openFiles }) => openFiles ?? []);
  if (limits.length === 0) return { unknown: "no process of it may be looked at" };
  return { value: String(Math.min(...limits)) };
}

async function countOf(title: string, instance: Instance, ask: Ask): Promise<Answer> {
  const { stdout } = await ask(["sh", "-c", TABLE]);
  const members = membersOf(readProcessTable(stdout), instance);
  if (members.length === 0) return { unknown: "no process of it may be looked at" };
  return { value: String(members.filter((one) => one.title === title).length) };
}

function fileOf({ files, name }: Workload, ending: string): string {
  const file = files.find(({ path }) => path.endsWith(`/${ending}`));
  if (file === undefined) throw new RangeError(`${name} has no file ${ending} to log in with`);
  return file.path;
}

function portOf({ ports }: Workload): string {
  return String(ports[0]?.port ?? 0);
}

/** Values go in as arguments of the shell, never into its text; passwords go from file to environment. */
function postgresCommand(workload: Workload, parameter: string): readonly string[] {
  const script =
    'PGPASSWORD="$(cat "$1")" PGCONNECT_TIMEOUT=5 exec psql --no-psqlrc -w -X -A -t -h 127.0.0.1 -p "$2" -U postgres -d postgres -c "SHOW $3"';
  return ["sh", "-c", script, "sh", fileOf(workload, "superuser-password"), portOf(workload), parameter];
}

function pgbouncerCommand(workload: Workload): readonly string[] {
  const script = [
    'psql --version >/dev/null 2>&1 || { echo "there is no psql beside it" >&2; exit 127; }',
    `PGPASSWORD="$(sed -n 's/^"monitor" "\\(.*\\)"$/\\1/p' "$1")" PGCONNECT_TIMEOUT=5 exec psql --no-psqlrc -w -X -A -t -h 127.0.0.1 -p "$2" -U monitor -d pgbouncer -c "SHOW CONFIG"`,
  ].join("; ");
  return ["sh", "-c", script, "sh", fileOf(workload, "userlist.txt"), portOf(workload)];
}

/** Lines of `key|value|default|changeable`. */
function columnOf(text: string, key: string): string | undefined {
  return text
    .split("\n")
    .map((line) => line.split("|"))
    .find(([name]) => name === key)?.[1];
}

function redisCommand(workload: Workload, key: string): readonly string[] {
  const script =
    'REDISCLI_AUTH="$(sed -n \'s/^user monitor on >\\([^ ]*\\) .*$/\\1/p\' "$1")" exec redis-cli -h 127.0.0.1 -p "$2" --user monitor CONFIG GET "$3"';
  return ["sh", "-c", script, "sh", fileOf(workload, "users.acl"), portOf(workload), key];
}

/** Nothing in /proc tells a listener's backlog; few images have the program that asks the kernel. */
const LISTENERS = 'command -v ss >/dev/null || { echo "there is no ss beside it" >&2; exit 127; }; exec ss -H -l -t -n';

/** `LISTEN 0 511 127.0.0.1:8080 0.0.0.0:*`: for a listener the third column is its backlog (ss(8)). */
export function backlogIn(text: string, port: number): string | undefined {
  const found = text.split("\n").flatMap((line) => {
    const [, , backlog, local] = line.trim().split(/\s+/);
    return local?.endsWith(`:${port}`) === true && backlog !== undefined ? [Number(backlog)] : [];
  });
  return found.length === 0 ? undefined : String(Math.min(...found));
}

/** Version 2 of control groups, then version 1. */
const MEMORY = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";

/** The program that its own probes run. */
function nodeOf({ probes }: Workload): string {
  return probes?.liveness?.inside[0] ?? "node";
}

/** With a token of a minute that its own program makes: whoever may run programs there may read the key anyway. */
function fingerprintCommand(workload: Workload, port: number): readonly string[] {
  const program = workload.command.find((word) => word.endsWith("/cli/mcp-stack.js"));
  if (program === undefined) throw new RangeError(`${workload.name} is no gateway of this project`);
  const script = '"$1" "$2" token --exp 1 | "$1" -e "$3"';
  const check = workload.probes?.readiness.check;
  const scheme = check?.kind === "http" ? check.scheme : "http";
  // The process beside this one, at its own loopback address: its certificate has a name of the deployment and is nobody's question here.
  const ask = `const token = require("node:fs").readFileSync(0, "utf8").trim();
    require("node:${scheme}").get({ host: "127.0.0.1", port: ${port}, path: "/version", rejectUnauthorized: false,
      headers: { authorization: "Bearer " + token } }, async (answer) => console.log(
      JSON.parse((await answer.toArray()).join("")).settingsFingerprint ?? ""))`;
  return ["sh", "-c", script, "sh", nodeOf(workload), program, ask];
}

/**
 * A connection that comes about, with whatever the image has: Node, bash's /dev/tcp, or nc. A name that cannot be looked up says nothing of
 * the way there, and would make every closed edge look right.
 */
async function reach(
  { host, port }: Extract<Question, { kind: "reach" }>,
  workload: Workload,
  ask: Ask,
): Promise<Answer> {
  const { code, stdout, stderr } =
    workload.tier === "gateway"
      ? await ask([nodeOf(workload), "-e", CONNECT, host, String(port)])
      : await ask(["sh", "-c", CONNECT_SHELL, "sh", host, String(port)]);
  const said = stdout.trim();
  return said === "open" || said === "closed" ? { value: said } : { unknown: firstLine(stderr) || `exit code ${code}` };
}

const CONNECT = `const [host, port] = process.argv.slice(-2);
const socket = require("node:net").connect({ host, port: Number(port), timeout: 3000 });
const tell = (word) => { console.log(word); socket.destroy(); };
const fail = ({ syscall, message }) => {
  if (syscall !== "getaddrinfo") return tell("closed");
  console.error(message);
  process.exitCode = 1;
};
socket.once("connect", () => tell("open")).once("timeout", () => tell("closed")).once("error", fail);`;

const CONNECT_SHELL = [
  'case "$1" in *:*) ;; *[!0-9.]*)',
  'if command -v getent >/dev/null && ! getent hosts "$1" >/dev/null; then echo "$1 cannot be looked up" >&2; exit 1; fi ;; esac',
  'if command -v bash >/dev/null; then timeout 3 bash -c \'exec 3<>"/dev/tcp/$0/$1"\' "$1" "$2" 2>/dev/null && echo open || echo closed',
  'elif command -v nc >/dev/null; then nc -z -w 3 "$1" "$2" 2>/dev/null && echo open || echo closed',
  'else echo "nothing in its image opens a connection" >&2; exit 127; fi',
].join("\n");

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
