/** Strings that mean something to the readers of the rendered files, and what may become of them. */
import fc from "fast-check";
import { expect } from "vitest";
import { PlaceError } from "../../../infra/topology/index.ts";

/** Mostly what means something to one of the readers. */
export const hostile = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.string({ unit: fc.constantFrom(..."a/.:0\"'`;{}#$\\\n\r\t\0 =,@+[]%*|&<>é"), maxLength: 24 }),
  fc.constantFrom(
    "all",
    "replication",
    "samerole",
    "@file",
    "+role",
    "/.*",
    "%include /etc/passwd",
    "*",
    "pgbouncer",
    "::1%lo",
  ),
);

/** The text, or undefined where it was refused by a name that starts so. */
export function renderOrRefuse(field: string, render: () => string): string | undefined {
  try {
    return render();
  } catch (error) {
    if (!(error instanceof PlaceError)) throw error;
    expect(error.field.startsWith(field)).toBe(true);
    expect(error.message).toContain(`${error.field} is `);
    return undefined;
  }
}
