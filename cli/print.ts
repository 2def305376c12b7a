/** How commands print for machines. */

/** One document, indented, with a line feed at its end. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
