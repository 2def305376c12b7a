/** The reference pages, from the declarations alone. */
import { type ErrorCode, errors } from "../contract/errors.ts";
import { meaninglessKeys, meaninglessKnobs, settingKnobs } from "../contract/knobs.ts";
import { metricNames, metricOf } from "../contract/metrics.ts";
import {
  isSecretName,
  type SettingDeclaration,
  secretFileName,
  settingNames,
  settingOf,
} from "../contract/settings.ts";
import { stackJsonSchema } from "../infra/config.ts";
import { sizingReference } from "../infra/sizing/index.ts";

/** File names under docs/reference and their text. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    "settings.md": settingsPage(),
    "knobs.md": knobsPage(),
    "errors.md": errorsPage(),
    "metrics.md": metricsPage(),
    "sizing.md": sizingReference(INFRA_NOTE, table),
  };
}

/** The JSON Schema of stack files, as it is committed. */
export function stackSchemaText(): string {
  return `${JSON.stringify(stackJsonSchema(), null, 2)}\n`;
}

const NOTE = "Written by `npm run docs` from the declarations in `contract/`; a test keeps it current.\n\n";

const INFRA_NOTE = NOTE.replace("contract/", "infra/sizing/");

function settingsPage(): string {
  const rows = settingNames.map((name) => {
    const declaration = settingOf(name);
    const file = isSecretName(name) ? ` Or \`${secretFileName(name)}\`.` : "";
    const aliases = (declaration.aliases ?? []).map((alias) => ` Also \`${alias}\`.`).join("");
    return [
      `\`${name}\``,
      typeText(declaration),
      defaultText(declaration),
      declaration.description + file + aliases,
      declaration.room,
    ];
  });
  return `# Settings

${NOTE}Values come from the command line, the environment, the file \`.env\` of the working directory and the defaults, the first that
has one. An empty value counts as not set. Durations take their unit or \`250ms\`, \`30s\`, \`5m\`, \`2h\`, \`1d\`; sizes take bytes or
\`512KiB\`, \`4MiB\`, \`1GiB\`. \`mcp-stack settings\` shows what is in force and why.

A secret may be given as a file: \`<NAME>_FILE\` holds the absolute path of a file with the secret and, if need be, one line feed after
it. Of the two names only one may be set.

${table(["Name", "Type", "Default", "Meaning", "Read by"], rows)}`;
}

function typeText(declaration: SettingDeclaration): string {
  const secret = declaration.secret === true && declaration.type !== "secret" ? ", secret" : "";
  if (declaration.type === "enum") return declaration.allowed.map((value) => `\`${value}\``).join(", ");
  if (declaration.type === "url")
    return `${declaration.schemes.map((scheme) => `\`${scheme}://\``).join(", ")}${secret}`;
  const unit = "unit" in declaration && declaration.unit !== undefined ? ` (${declaration.unit})` : "";
  const { min, max } = { min: undefined, max: undefined, ...declaration };
  const range = min === undefined && max === undefined ? "" : `, ${min ?? ""}…${max ?? ""}`;
  const auto = declaration.type === "integer" && declaration.auto === true ? " or `auto`" : "";
  return `${declaration.type}${unit}${range}${auto}${secret}`;
}

function defaultText(declaration: SettingDeclaration): string {
  if (declaration.default === null) return declaration.computed ?? "not set";
  if (typeof declaration.default === "object")
    return declaration.default.length === 0 ? "empty" : declaration.default.join(", ");
  return `\`${declaration.default}\``;
}

function knobsPage(): string {
  const code = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(", ");
  const knobs = settingKnobs.map(({ setting, aliases, keys = [], engines, effect }) => [
    code([setting]),
    code(aliases),
    code(keys),
    engines,
    effect,
  ]);
  const reasons = (table: Readonly<Record<string, string>>) =>
    Object.entries(table).map(([name, because]) => [code([name]), `${because}.`]);
  return `# Knobs of the servers

${NOTE}What Gunicorn, Uvicorn and Granian are configured with, and what it does here: the setting, the names of the sources for it, the
arguments of a named process that mean it ([engines.md](../engines.md)), the engines it is for, and what can be seen to change. A
knob of the other engine is warned of at the start; so is one without a meaning, by name. What is neither is refused with the nearest name.

${table(["Setting", "Also", "Arguments of a process", "Engines", "What changes"], knobs)}
\`bind\` is an address and a port in one.

## Without a meaning

${table(["Name", "Why"], [...reasons(meaninglessKnobs), ...reasons(meaninglessKeys)])}`;
}

function errorsPage(): string {
  const codes = Object.keys(errors).filter((code): code is ErrorCode => Object.hasOwn(errors, code));
  const rows = codes.map((code) => {
    const { status, rpc, message } = errors[code];
    return [`\`${code}\``, String(status), String(rpc), message.replace("\n", " ")];
  });
  return `# Errors\n\n${NOTE}${table(["Code", "HTTP status", "JSON-RPC code", "Message"], rows)}`;
}

function metricsPage(): string {
  const rows = metricNames.map((name) => {
    const { type, unit, labels, help } = metricOf(name);
    return [`\`${name}\``, type, unit, labels.map((label) => `\`${label}\``).join(", "), help];
  });
  return `# Metrics\n\n${NOTE}Served at \`/metrics\` in the Prometheus text format.\n\n${table(["Name", "Type", "Unit", "Labels", "Meaning"], rows)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}
