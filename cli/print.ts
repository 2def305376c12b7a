/** How commands print: documents for machines, sentences for people who watch. */

/** One document, indented, with a line feed at its end. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** One line beside what the command prints. */
export function say(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}
