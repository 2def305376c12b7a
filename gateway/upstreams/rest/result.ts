/** An HTTP answer as the result of a tool call (MCP 2025-11-25 tools, 2026-07-28 tools), as raw JSON. */
import { isObject, scanDocument } from "../../mcp/index.ts";

export type HttpAnswer = {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
  readonly retryAfter?: string | undefined;
  readonly location?: string | undefined;
};

export type ResultShape = {
  /** `GET /pets/{id}`, for texts. */
  readonly operation: string;
  /** Identifies the answer where it is embedded as a resource. */
  readonly uri: string;
  readonly wrapsResult: boolean;
  /** Longest text that is shown of what is not JSON, and of failures; characters. */
  readonly maxTextLength: number;
  /** The tool promises structured content. */
  readonly isStructured: boolean;
  /** Why structured content does not fit the tool's output schema; undefined when it does or there is none. */
  readonly mismatch: (value: unknown) => string | undefined;
  /** Takes credentials out of a text. */
  readonly redact: (text: string) => string;
};

const JSON_TYPE = /^application\/(?:json|[\w.-]+\+json)$|^text\/json$/;
const TEXT_TYPE =
  /^text\/|^application\/(?:xml|[\w.-]+\+xml|yaml|x-yaml|javascript|x-www-form-urlencoded|graphql|x-ndjson|jsonl)$/;
/** HTTP status codes after which the answer to a credential may quote it. */
const SHY = new Set([401, 403, 407]);

/** Any answer becomes a result; only 2xx is no error. */
export function resultOf(answer: HttpAnswer, shape: ResultShape): Buffer {
  const { status, type, body } = answer;
  if (status >= 300) return failed(answer, shape);
  if (body.length > 0 && JSON_TYPE.test(type)) return jsonResult(answer, shape);
  if (shape.isStructured) {
    const what = body.length === 0 ? "it has no content" : `its Content-Type is ${type.slice(0, 100) || "absent"}`;
    return errorResult(`HTTP ${status} from ${shape.operation}: the answer does not fit the output schema (${what})`);
  }
  if (body.length === 0) return Buffer.from(textResult(`HTTP ${status}, without content`));
  if (type === "" || TEXT_TYPE.test(type)) return Buffer.from(textResult(excerpt(body, shape)));
  const data = body.toString("base64");
  const kind = type.split("/", 1)[0];
  if (kind === "image" || kind === "audio") return Buffer.from(contentResult({ type: kind, data, mimeType: type }));
  return Buffer.from(contentResult({ type: "resource", resource: { uri: shape.uri, mimeType: type, blob: data } }));
}

/** A result that says what the caller can put right (MCP 2025-11-25 tools, error handling). */
export function errorResult(text: string): Buffer {
  return Buffer.from(textResult(text, true));
}

function contentResult(block: object): string {
  return `{"content":[${JSON.stringify(block)}]}`;
}

function textResult(text: string, isError = false): string {
  return `{"content":[{"type":"text","text":${JSON.stringify(text)}}]${isError ? ',"isError":true' : ""}}`;
}

/** The body stands in the result byte for byte, once as text and once as structured content. */
function jsonResult({ status, body }: HttpAnswer, shape: ResultShape): Buffer {
  const text = body.toString("utf8");
  let value: unknown;
  let span: ReturnType<typeof scanDocument>;
  try {
    span = scanDocument(body);
    value = JSON.parse(text);
  } catch {
    return errorResult(`HTTP ${status} from ${shape.operation}: its JSON cannot be read: ${excerpt(body, shape)}`);
  }
  const raw = body.subarray(span.start, span.end);
  const asItIs = isObject(body, span) && !shape.wrapsResult;
  const wrong = shape.mismatch(asItIs ? value : { result: value });
  if (wrong !== undefined) {
    const reason = `HTTP ${status} from ${shape.operation}: the answer does not fit the output schema (${wrong})`;
    return Buffer.from(
      `{"content":[{"type":"text","text":${JSON.stringify(reason)}},{"type":"text","text":${JSON.stringify(text)}}],"isError":true}`,
    );
  }
  const head = `{"content":[{"type":"text","text":${JSON.stringify(text)}}],"structuredContent":`;
  return Buffer.concat([Buffer.from(asItIs ? head : `${head}{"result":`), raw, Buffer.from(asItIs ? "}" : "}}")]);
}

function failed({ status, type, body }: HttpAnswer, shape: ResultShape): Buffer {
  const head = `HTTP ${status} from ${shape.operation}`;
  if (status < 400) return errorResult(`${head}: it redirects, and redirects are not followed`);
  if (SHY.has(status)) return errorResult(`${head}: the upstream refuses the gateway's credentials or their rights`);
  const isText = type === "" || JSON_TYPE.test(type) || TEXT_TYPE.test(type);
  if (body.length === 0 || !isText) return errorResult(head);
  return errorResult(`${head}: ${shape.redact(excerpt(body, shape))}`);
}

/** Cut at a character, not in the middle of one. */
function excerpt(body: Buffer, { maxTextLength }: ResultShape): string {
  // Four bytes are the longest character of UTF-8.
  const text = body.subarray(0, maxTextLength * 4).toString("utf8");
  if (text.length <= maxTextLength && body.length <= maxTextLength * 4) return text;
  const cut = text
    .slice(0, maxTextLength)
    .toWellFormed()
    .replace(/\ufffd$/, "");
  return `${cut}… (cut; ${body.length} bytes in all)`;
}

/** Credentials of an upstream as they may be quoted: whole header values, and what stands behind a scheme or in a cookie. */
export function redactor(headers: Readonly<Record<string, string>>): (text: string) => string {
  const secrets = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const [scheme = "", ...more] = value.split(" ");
    for (const one of [value, more.join(" "), ...cookieValues(name, value), ...basicParts(scheme, more[0])]) {
      if (one.length >= 6) secrets.add(one);
    }
  }
  // The longest first, for one may be part of another.
  const ordered = [...secrets].sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((rest, secret) => rest.replaceAll(secret, "[credential]"), text);
}

function cookieValues(name: string, value: string): string[] {
  return name.toLowerCase() === "cookie" ? value.split(/;\s*/).map((pair) => pair.slice(pair.indexOf("=") + 1)) : [];
}

function basicParts(scheme: string, encoded: string | undefined): string[] {
  if (!/^basic$/i.test(scheme) || encoded === undefined) return [];
  const pair = Buffer.from(encoded, "base64").toString("utf8");
  return [pair, pair.slice(pair.indexOf(":") + 1)];
}
