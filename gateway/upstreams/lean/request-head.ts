/**
 * The head of a request as bytes. Arrays of headers that are sent again and again are checked and written once; the names and values
 * of others are checked each time (RFC 9110 §5.5), for a line break in one of them would be a request of its own.
 */
import { ConnectionError } from "./errors.ts";

type Template = { method: string; path: string; host: string; bytes: Buffer };

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PATH = /^[\x21-\x7e\x80-\xff]+$/;

const NOTHING = Buffer.alloc(0);
const templates = new WeakMap<readonly string[], Template>();

/** Says that these headers, names and values in turn, will be sent many times and never change. */
export function repeated(headers: readonly string[]): readonly string[] {
  templates.set(headers, { method: "", path: "", host: "", bytes: NOTHING });
  return headers;
}

/**
 * Everything of a head that does not depend on the body, as bytes: what follows is the length and an empty line, or only the
 * empty line where `hasBody` is false. Throws ConnectionError UND_ERR_INVALID_ARG for what cannot be sent.
 */
export function headOf(
  method: string,
  path: string,
  host: string,
  headers: readonly string[],
  hasBody: boolean,
): Buffer {
  const template = templates.get(headers);
  if (template === undefined) return written(method, path, host, headers, hasBody);
  if (template.path !== path || template.method !== method || template.host !== host) {
    template.bytes = written(method, path, host, headers, hasBody);
    template.method = method;
    template.path = path;
    template.host = host;
  }
  return template.bytes;
}

function written(method: string, path: string, host: string, headers: readonly string[], hasBody: boolean): Buffer {
  if (!PATH.test(path)) throw new ConnectionError("the path of a request cannot be sent", "UND_ERR_INVALID_ARG");
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (!TOKEN.test(name) || !VALUE.test(value)) {
      throw new ConnectionError("a header of a request cannot be sent", "UND_ERR_INVALID_ARG");
    }
    text += `${name}: ${value}\r\n`;
  }
  // Only requests that have a body by their nature say that there is none (RFC 9110 §8.6).
  if (hasBody) text += "content-length: ";
  else text += method === "POST" || method === "PUT" || method === "PATCH" ? "content-length: 0\r\n\r\n" : "\r\n";
  return Buffer.from(text, "latin1");
}
