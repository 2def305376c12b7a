/** What every renderer writes with: a string from outside is checked or quoted here, never placed into a file as it came. */
import { isIP, isIPv6 } from "node:net";

/** A value that cannot stand in a file; `field` says which one, as a path into the place: `nginx.gateway.host`. */
export class PlaceError extends Error {
  override readonly name = "PlaceError";
  readonly field: string;
  constructor(field: string, value: unknown, allowed: string) {
    super(`${field} is ${JSON.stringify(value)}; allowed: ${allowed}`);
    this.field = field;
  }
}

/** A file path as every daemon reads it without quotes. Throws PlaceError for relative ones and for anything that could end a word. */
export function pathOf(field: string, value: string): string {
  if (/^\/[A-Za-z0-9._@+/-]*$/.test(value) && value.length <= 1024) return value;
  throw new PlaceError(field, value, "an absolute path of letters, digits and ._@+/-, at most 1024 characters");
}

/** A host name or an IP address, without brackets. Throws PlaceError. */
export function hostOf(field: string, value: string): string {
  if (isIP(value) !== 0 && !value.includes("%")) return value;
  const isName = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$/.test(value);
  if (isName && !/^[\d.]+$/.test(value)) return value;
  throw new PlaceError(field, value, "a host name (letters, digits, - _ and dots) or an IP address");
}

/** `10.0.0.1`, `::`; no names. Throws PlaceError. */
export function addressOf(field: string, value: string): string {
  if (isIP(value) !== 0 && !value.includes("%")) return value;
  throw new PlaceError(field, value, "an IPv4 or IPv6 address");
}

/** `10.0.0.0/8`, `fd00::/8`. */
export function isNetwork(value: string): boolean {
  const [address = "", prefix = "", ...rest] = value.split("/");
  const isWritten = rest.length === 0 && isIP(address) !== 0 && !address.includes("%") && /^\d{1,3}$/.test(prefix);
  return isWritten && Number(prefix) <= (isIPv6(address) ? 128 : 32);
}

/** Throws PlaceError. */
export function networkOf(field: string, value: string): string {
  if (isNetwork(value)) return value;
  throw new PlaceError(field, value, "a network as 10.0.0.0/8 or fd00::/8");
}

/** A port to connect to. Throws PlaceError. */
export function portOf(field: string, value: number): number {
  return wholeOf(field, value, 1, 65_535);
}

/** A port to listen on: below 1024 only root may, and nothing here runs as root. Throws PlaceError. */
export function listenPortOf(field: string, value: number): number {
  return wholeOf(field, value, 1024, 65_535);
}

/** Throws PlaceError for what is not a whole number from `least` to `most`. */
export function wholeOf(field: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PlaceError(field, value, `a whole number from ${least} to ${most}`);
}

/** `host:port`, IPv6 in brackets. */
export function authority(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
/** NAMEDATALEN − 1: PostgreSQL cuts longer names, and then they are other names. */
const MAX_NAME_BYTES = 63;

/** The name of a user or a database, any that PostgreSQL can have; the caller quotes it. Throws PlaceError. */
export function nameOf(field: string, value: string): string {
  const bytes = Buffer.byteLength(value);
  const isName = bytes > 0 && bytes <= MAX_NAME_BYTES && !CONTROL.test(value) && value.isWellFormed();
  if (isName) return value;
  throw new PlaceError(field, value, `a name of 1 to ${MAX_NAME_BYTES} bytes of UTF-8 without control characters`);
}

/** Opaque text such as a password or a verifier; an error never repeats it. Throws PlaceError. */
export function secretOf(field: string, value: string, mostBytes: number): string {
  const bytes = Buffer.byteLength(value);
  if (bytes > 0 && bytes <= mostBytes && !CONTROL.test(value) && value.isWellFormed()) return value;
  throw new PlaceError(field, "(secret)", `1 to ${mostBytes} bytes of UTF-8 without control characters`);
}

/** The parts of `1.27.3`; a missing one is 0. Throws PlaceError. */
export function versionOf(field: string, value: string): readonly [major: number, minor: number, patch: number] {
  const found = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?$/.exec(value);
  if (found === null) throw new PlaceError(field, value, "a version such as 1.28 or 1.28.0");
  const [, major, minor, patch] = found;
  return [Number(major), Number(minor), Number(patch ?? 0)];
}

/** True where `version` is not older than `than`; both as versionOf returns them. */
export function isAtLeast(version: readonly number[], than: readonly number[]): boolean {
  const differing = than.findIndex((part, index) => part !== (version[index] ?? 0));
  return differing === -1 || (version[differing] ?? 0) > (than[differing] ?? 0);
}

/** Lines of a file: `undefined` leaves a line out, so that what depends on a version stands where it belongs. */
export function fileOf(lines: readonly (string | undefined)[]): string {
  return `${lines.filter((line) => line !== undefined).join("\n")}\n`;
}
