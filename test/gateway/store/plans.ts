/** How a database goes about statements: as they are sent, and as it explains them. */
import pg from "pg";

export type Captured = { readonly operation: string; readonly text: string; readonly values: readonly unknown[] };
export type Plan = {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  Plans?: readonly Plan[];
};
type Explained = { "QUERY PLAN": readonly { Plan: Plan }[] };

const nodesOf = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Statements that all clients but `apart` send while `work` is done, each under the name that was last given to `as`. */
export async function captured(
  apart: pg.Client,
  work: (as: (operation: string) => void) => Promise<void>,
): Promise<readonly Captured[]> {
  const original = pg.Client.prototype.query;
  const found: Captured[] = [];
  let operation = "";
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first, second] = args;
    if (this !== apart && operation !== "") {
      const text = typeof first === "string" ? first : String(Reflect.get(Object(first), "text"));
      const values: unknown = typeof first === "string" ? second : Reflect.get(Object(first), "values");
      if (/^\s*(?:select|with|insert|update|delete)\b/i.test(text))
        found.push({ operation, text, values: Array.isArray(values) ? values : [] });
    }
    return Reflect.apply(original, this, args);
  } as typeof original;
  try {
    await work((name) => {
      operation = name;
    });
  } finally {
    pg.Client.prototype.query = original;
  }
  return found;
}

/** Tables of a thousand rows and more. */
export async function bigTables(client: pg.Client): Promise<ReadonlySet<string>> {
  const text = "select relname as name from pg_class where relkind = 'r' and reltuples >= 1000";
  return new Set((await client.query<{ name: string }>(text)).rows.map(({ name }) => name));
}

export type Ways = { readonly scanned: readonly string[]; readonly indexes: readonly string[] };

/** How a statement would be carried out: tables that would be read whole, and indexes that would be used. */
export async function waysOf(client: pg.Client, text: string, values: readonly unknown[] = []): Promise<Ways> {
  const { rows } = await client.query<Explained>(`explain (format json) ${text}`, [...values]);
  const plan = rows[0]?.["QUERY PLAN"][0]?.Plan;
  if (plan === undefined) throw new Error(`no plan of ${text}`);
  const nodes = nodesOf(plan);
  return {
    scanned: nodes.flatMap((node) => (node["Node Type"] === "Seq Scan" ? [node["Relation Name"] ?? "?"] : [])),
    indexes: nodes.flatMap((node) => (node["Index Name"] === undefined ? [] : [node["Index Name"]])),
  };
}

/** Foreign keys whose rows are looked for in a big table when the row they name goes: one index each has to begin with their columns. */
export async function keysWithoutIndex(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select c.conrelid::regclass || '.' || a.attname as name
    from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    where c.contype = 'f' and array_length(c.conkey, 1) = 1 and not exists (
      select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
        and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname || ' IS NOT NULL)'))
    order by 1`);
  return rows.map(({ name }) => name);
}
