/** The reference page of sizing: inputs and budgets, from the declarations alone. */
import { budgetRules } from "./budgets/index.ts";
import { type Field, fallbackOf } from "./field.ts";
import { inputFields } from "./input.ts";
import { allowedFor, written } from "./leaf.ts";

type Table = (head: readonly string[], rows: readonly (readonly string[])[]) => string;

/** Markdown; `table` writes one. */
export function sizingReference(note: string, table: Table): string {
  const inputs = [...inputFields].map(([path, field]) => [
    `\`${path}\``,
    field.description,
    allowedFor(field),
    defaultText(field),
    field.source ?? "",
  ]);
  const budgets = budgetRules.map((rule) => [rule.id, rule.statement, rule.unit, rule.severity, rule.source]);
  return `# Sizing

${note}\`mcp-stack plan\` reads these inputs from \`config: mcp-stack:sizing\` of \`Pulumi.<stack>.yaml\` or from a file of their own
(\`--input\`). Everything else of a deployment is derived; a derived number can be pinned by its path under \`given\` and is then proved like
the others. Defaults marked *assumed* are guesses that a measurement should replace.

## Inputs

${table(["Input", "Meaning", "Allowed", "Default", "Source of the default"], inputs)}
## Budgets

Every plan is proved against these; \`refuse\` means that a plan which breaks it is none. Numbers of retired budgets are not used again.

${table(["Id", "Has to hold", "Unit", "Severity", "Source"], budgets)}`;
}

function defaultText(field: Field): string {
  if (field.sameAs !== undefined) return `\`${field.sameAs}\``;
  const [dev, prod] = [fallbackOf(field, "dev"), fallbackOf(field, "prod")];
  if (dev === undefined || prod === undefined) return field.isOptional === true ? "none" : "**has to be given**";
  const shown =
    dev === prod ? `\`${written(field, dev)}\`` : `dev \`${written(field, dev)}\`, prod \`${written(field, prod)}\``;
  return field.isAssumed === true ? `${shown}, assumed` : shown;
}
