/**
 * Names across upstreams. A prefixed name is `<slug><separator><name>`; slugs (`[a-z][a-z0-9-]*`) never contain the default
 * separator `__`, so the first one splits a name exactly. Names that would not be legal (1–128 of A-Za-z0-9_.-, MCP 2025-11-25
 * tools) are replaced by a stem and a digest and found again among the upstream's own names. URIs become `<slug>+<uri>`,
 * which is a legal scheme (RFC 3986 §3.1) and works for URI templates too.
 */
import { createHash } from "node:crypto";

export const LEGAL_NAME = /^[A-Za-z0-9_.-]{1,128}$/;
export const SLUG = /^[a-z][a-z0-9-]{0,62}$/;
const MAX_SLUG = 63;
const MAX_NAME = 128;
const DIGEST_TAIL = /\.\.[0-9a-f]{16}$/;

function digestTail(name: string): string {
  return `..${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
}

/** The name under which `name` of upstream `slug` is listed. Injective up to a 64-bit digest. */
export function prefixName(slug: string, separator: string, name: string): string {
  const head = slug + separator;
  const plain = head + name;
  if (LEGAL_NAME.test(plain) && !DIGEST_TAIL.test(name)) return plain;
  const tail = digestTail(name);
  const stem = name.replace(/[^A-Za-z0-9_.-]/g, "_").slice(0, MAX_NAME - head.length - tail.length);
  return head + stem + tail;
}

/** A listed name split at its prefix; undefined when it has none of these slugs. The longest slug wins (separators such as `-`). */
export function splitName(
  listed: string,
  separator: string,
  slugs: { has(slug: string): boolean },
): { slug: string; rest: string } | undefined {
  for (let at = listed.lastIndexOf(separator, MAX_SLUG); at > 0; at = listed.lastIndexOf(separator, at - 1)) {
    const slug = listed.slice(0, at);
    if (slugs.has(slug)) return { slug, rest: listed.slice(at + separator.length) };
  }
  return undefined;
}

/** True when the part after the prefix stands for a name that has to be looked up among the upstream's names. */
export function isDigested(rest: string): boolean {
  return DIGEST_TAIL.test(rest);
}

/** The upstream's name behind a listed one, given all names of that upstream. */
export function originalName(
  slug: string,
  separator: string,
  rest: string,
  names: Iterable<string>,
): string | undefined {
  if (!isDigested(rest)) return rest;
  const listed = slug + separator + rest;
  for (const name of names) if (prefixName(slug, separator, name) === listed) return name;
  return undefined;
}

export function prefixUri(slug: string, uri: string): string {
  return `${slug}+${uri}`;
}

export function splitUri(listed: string): { slug: string; uri: string } | undefined {
  const plus = listed.indexOf("+");
  if (plus < 1) return undefined;
  const slug = listed.slice(0, plus);
  return SLUG.test(slug) ? { slug, uri: listed.slice(plus + 1) } : undefined;
}

/** A slug from any display name: lower case, runs of other characters become one hyphen, always starts with a letter. */
export function slugify(name: string): string {
  const base = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
  if (base === "") return `g-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;
  return /^[a-z]/.test(base) ? base : `g-${base}`;
}
