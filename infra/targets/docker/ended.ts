/** How a container that had to end well ended, as a text for whoever ran the update. */

/** As the provider tells them; a code is missing where the container was not seen at its end. */
export type Ended = {
  readonly code: number | undefined;
  readonly logs: string | undefined;
  readonly urn: string;
};

const LINES = 20;

/**
 * Null for exit code 0. Else what the container said last, and the command that tries again: its arguments are what they were, so that
 * another update alone would change nothing.
 */
export function failureText(name: string, { code, logs, urn }: Ended): string | null {
  if (code === 0) return null;
  const said = (logs ?? "").trim().split("\n").slice(-LINES).join("\n");
  return [
    `${name} ended with ${code ?? "an exit code that nobody saw"}: ${said === "" ? `docker logs ${name} may say more` : said}`,
    `When the cause is gone: pulumi up --replace '${urn}'`,
  ].join("\n");
}
