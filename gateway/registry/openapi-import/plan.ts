/** What an import makes of a document: tools, what it leaves out and why, where they are served, which credentials they want. */
import { METHODS, operationProblems, type RestMethod, type RestOperation } from "../../upstreams/index.ts";
import { annotationsOf, definitionOf, outputOf } from "../rest-definition.ts";
import { type Address, addressOf, type Scheme, type ServerChoice, schemesOf, securityOf } from "./addresses.ts";
import { acceptedType, answerSchema, type Body, readBody, readOlderBody } from "./bodies.ts";
import {
  DocumentError,
  isJson,
  type Json,
  listAt,
  member,
  parseText,
  resolved,
  textAt,
  type Version,
  versionOf,
} from "./document.ts";
import { argumentName, toolName } from "./names.ts";
import { merged, type Parameters, readParameters } from "./parameters.ts";
import { isObjectSchema, SchemaWriter } from "./schemas.ts";

export type Filters = {
  /** Any of these; absent = all. */
  readonly tags?: readonly string[] | undefined;
  /** `*` stands for a segment or a part of one, `**` for any number of them. */
  readonly paths?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
};
export type PlanOptions = ServerChoice & {
  readonly filters?: Filters | undefined;
  /** False: tools get no output schema, and answers are not held against one. */
  readonly outputSchemas?: boolean | undefined;
  readonly maxTools: number;
};

export type PlannedTool = {
  /** `GET /pets/{id}`, as in the document. */
  readonly key: string;
  readonly name: string;
  readonly definition: string;
  readonly operation: string;
  readonly tags: readonly string[];
};
/** `at` is an operation's key, or empty for the document. */
export type Note = { readonly at: string; readonly message: string };
export type Plan = Address & {
  readonly title: string;
  readonly version: string;
  readonly dialect: Version;
  readonly tools: readonly PlannedTool[];
  readonly warnings: readonly Note[];
  /** Operations that are no tools, and why; those that a filter leaves out are only counted. */
  readonly skipped: readonly Note[];
  readonly filteredOut: number;
  readonly schemes: readonly Scheme[];
  /** Tools that want one of the schemes, and tools that are open to all. */
  readonly secured: number;
  readonly open: number;
};

/** Definitions beyond this are no help to a model and a burden to every list. */
const MAX_INPUT_BYTES = 64 * 1024;
/** It costs time to check answers against large ones. */
const MAX_OUTPUT_BYTES = 16 * 1024;
const MAX_DESCRIPTION = 4096;
const MAX_NOTES = 1000;

/** Throws DocumentError for a document that is none, and for one with more tools than allowed. */
export function planOf(text: string, options: PlanOptions): Plan {
  const document = parseText(text);
  const dialect = versionOf(document);
  return new Planner(document, dialect, options).plan();
}

class Planner {
  readonly #document: Json;
  readonly #dialect: Version;
  readonly #options: PlanOptions;
  readonly #tools: PlannedTool[] = [];
  readonly #warnings: Note[] = [];
  readonly #skipped: Note[] = [];
  readonly #names = new Set<string>();
  #filteredOut = 0;
  #secured = 0;

  constructor(document: Json, dialect: Version, options: PlanOptions) {
    this.#document = document;
    this.#dialect = dialect;
    this.#options = options;
  }

  plan(): Plan {
    const document = this.#document;
    const address = addressOf(document, this.#dialect, this.#options);
    if (address.problem !== undefined) this.#warn("", address.problem);
    const paths = member(document, "paths");
    for (const [path, raw] of isJson(paths) ? Object.entries(paths) : []) this.#path(path, raw);
    if (member(document, "webhooks") !== undefined)
      this.#warn("", "webhooks are calls of the other direction: no tools");
    const schemes = schemesOf(document, this.#dialect);
    for (const { name, kind, authType, hint } of schemes) {
      if (authType === null) this.#warn("", `security scheme ${name} (${kind}): ${hint}`);
    }
    return {
      ...address,
      title: (textAt(document.info, "title") ?? "").trim().slice(0, 255),
      version: String(member(document.info, "version") ?? "").slice(0, 100),
      dialect: this.#dialect,
      tools: this.#tools,
      warnings: this.#warnings,
      skipped: this.#skipped,
      filteredOut: this.#filteredOut,
      schemes,
      secured: this.#secured,
      open: this.#tools.length - this.#secured,
    };
  }

  #warn(at: string, message: string): void {
    if (this.#warnings.length < MAX_NOTES) this.#warnings.push({ at, message });
  }

  #skip(at: string, message: string): void {
    if (this.#skipped.length < MAX_NOTES) this.#skipped.push({ at, message });
  }

  #path(path: string, raw: unknown): void {
    if (!path.startsWith("/")) return;
    let item: unknown;
    try {
      item = resolved(this.#document, raw);
    } catch (error) {
      this.#skip(path, reasonOf(error));
      return;
    }
    if (!isJson(item)) return;
    for (const [word, operation] of Object.entries(item)) {
      const method = METHODS.find((one) => one === word.toUpperCase());
      const key = `${word.toUpperCase()} ${path}`;
      if (method === undefined) {
        if (["trace", "query", "additionalOperations"].includes(word)) this.#skip(key, "this method is not supported");
        continue;
      }
      if (!isJson(operation)) continue;
      if (!this.#isWanted(path, method, operation)) this.#filteredOut++;
      else this.#operation(key, method, path, item, operation);
    }
  }

  #isWanted(path: string, method: RestMethod, operation: Json): boolean {
    const { tags, paths, methods } = this.#options.filters ?? {};
    if (methods !== undefined && !methods.some((one) => one.toUpperCase() === method)) return false;
    if (tags !== undefined && !listAt(operation, "tags").some((one) => tags.includes(String(one)))) return false;
    return paths === undefined || paths.some((pattern) => fits(pattern, path));
  }

  #operation(key: string, method: RestMethod, path: string, item: Json, operation: Json): void {
    try {
      if (this.#tools.length >= this.#options.maxTools) {
        throw new TooMany(
          `the document has more than ${this.#options.maxTools} operations (OPENAPI_MAX_TOOLS): use filters`,
        );
      }
      const tool = this.#tool(key, method, path, item, operation);
      this.#names.add(tool.name);
      this.#tools.push(tool);
      if (isClosed(securityOf(this.#document, operation))) this.#secured++;
    } catch (error) {
      if (error instanceof TooMany) throw error;
      this.#skip(key, reasonOf(error));
    }
  }

  #tool(key: string, method: RestMethod, path: string, item: Json, operation: Json): PlannedTool {
    if (listAt(operation, "servers").length > 0 || listAt(item, "servers").length > 0) {
      throw new DocumentError(
        "it has servers of its own: import it as an upstream of its own, with baseUrl and a filter",
      );
    }
    const writer = new SchemaWriter(this.#document, this.#dialect, "request");
    const given = merged(this.#document, item, operation);
    const isOlder = this.#dialect === "2.0";
    const places = isOlder ? given.filter((one) => one.in !== "body" && one.in !== "formData") : given;
    const read = readParameters(places, this.#dialect, writer);
    if (read.obstacle !== undefined) throw new DocumentError(read.obstacle);
    for (const warning of read.warnings) this.#warn(key, warning);
    const taken = new Set(read.arguments.map(({ name }) => name));
    const argument = argumentName("body", "request", taken);
    const body = isOlder
      ? readOlderBody(this.#document, operation, given, argument, writer)
      : readBody(this.#document, operation, argument, writer);
    const input = this.#bounded(key, inputSchema(read, body, argument, writer), read, body, argument);
    const output = this.#output(key, operation);
    const accept = acceptedType(this.#document, operation, this.#dialect);
    const rest: RestOperation = {
      method,
      path,
      ...(accept === undefined ? {} : { accept }),
      parameters: [...read.parameters],
      ...(body === undefined ? {} : { body: body.body }),
      ...(output?.wraps === true ? { wrapsResult: true } : {}),
    };
    const [problem] = operationProblems(rest);
    if (problem !== undefined) throw new DocumentError(problem);
    const name = toolName(textAt(operation, "operationId"), method, path, this.#names);
    const text = { name, ...textOf(operation, key) };
    return {
      key,
      name,
      definition: definitionOf(text, input, output?.schema, annotationsOf(method)),
      operation: JSON.stringify(rest),
      tags: listAt(operation, "tags").map(String).slice(0, 100),
    };
  }

  /** A body that is too large to describe is taken as it comes. */
  #bounded(key: string, schema: Json, read: Parameters, body: Body | undefined, argument: string): Json {
    if (JSON.stringify(schema).length <= MAX_INPUT_BYTES) return schema;
    this.#warn(key, `its input schema is larger than ${MAX_INPUT_BYTES} bytes: the body is not described`);
    const bare = body === undefined ? undefined : { ...body, schema: {} };
    const smaller = inputSchema(read, bare, argument, undefined);
    if (JSON.stringify(smaller).length <= MAX_INPUT_BYTES) return smaller;
    throw new DocumentError(`its parameters are described in more than ${MAX_INPUT_BYTES} bytes`);
  }

  #output(key: string, operation: Json): ReturnType<typeof outputOf> | undefined {
    if (this.#options.outputSchemas === false) return undefined;
    try {
      const schema = answerSchema(this.#document, operation, this.#dialect);
      if (schema === undefined) return undefined;
      const writer = new SchemaWriter(this.#document, this.#dialect, "response");
      const written = writer.root(schema);
      const { defs } = writer;
      const type = isObjectSchema(written, defs) ? { type: "object" } : {};
      const output = outputOf({ ...written, ...type, ...(defs === undefined ? {} : { $defs: defs }) });
      if (JSON.stringify(output.schema).length <= MAX_OUTPUT_BYTES) return output;
      this.#warn(key, `its output schema is larger than ${MAX_OUTPUT_BYTES} bytes and is left out`);
    } catch (error) {
      this.#warn(key, `it has no output schema: ${reasonOf(error)}`);
    }
    return undefined;
  }
}

class TooMany extends DocumentError {}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 500);
}

/** Some scheme has to be used: none of the alternatives is empty. */
function isClosed(security: readonly (readonly string[])[]): boolean {
  return security.length > 0 && security.every((names) => names.length > 0);
}

function inputSchema(
  { arguments: list }: Parameters,
  body: Body | undefined,
  argument: string,
  writer: SchemaWriter | undefined,
): Json {
  const required = list.filter((one) => one.required).map(({ name }) => name);
  if (body?.required === true) required.push(argument);
  const defs = writer?.defs;
  const properties = list.map(({ name, schema }) => [name, writer === undefined ? bare(schema) : schema] as const);
  return {
    type: "object",
    properties: Object.fromEntries(body === undefined ? properties : [...properties, [argument, body.schema] as const]),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
    ...(defs === undefined ? {} : { $defs: defs }),
  };
}

/** Without what refers to definitions that are not there. */
function bare({ type, description, enum: values }: Json): Json {
  return Object.fromEntries(Object.entries({ type, description, enum: values }).filter(([, one]) => one !== undefined));
}

function textOf(operation: Json, key: string): { title?: string; description: string } {
  const summary = textAt(operation, "summary")?.trim() ?? "";
  const text = textAt(operation, "description")?.trim() ?? "";
  const deprecated = operation.deprecated === true ? "Deprecated." : "";
  const description = [summary === text ? "" : summary, text, deprecated].filter((one) => one !== "").join("\n\n");
  const title = summary.slice(0, 255);
  return { ...(title === "" ? {} : { title }), description: (description || key).slice(0, MAX_DESCRIPTION) };
}

function fits(pattern: string, path: string): boolean {
  const source = pattern
    .split("**")
    .map((part) =>
      part
        .split("*")
        .map((text) => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"))
        .join("[^/]*"),
    )
    .join(".*");
  return new RegExp(`^${source}$`).test(path);
}
