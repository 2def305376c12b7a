/** Rows as columns: how many of them go into one statement, as COPY text or as arrays. */

/** From this many rows on they go by COPY. */
export const COPY_FROM_ROWS = 1000;
/** Rows of one insert: each column is one array, so that this bounds the message and not the number of parameters. */
const INSERT_ROWS = 500;

export type ColumnType = "text" | "timestamptz" | "bigint" | "integer" | "smallint" | "real";
export type Column<Row> = {
  readonly name: string;
  readonly type: ColumnType;
  /** Times as epoch milliseconds. */
  readonly of: (row: Row) => string | number | null;
};

/** PostgreSQL's text cannot hold U+0000, and half of a surrogate pair is no UTF-8: one such name would cost its whole batch. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function copyField(value: string | number | null, type: ColumnType): string {
  if (value === null) return "\\N";
  if (type === "timestamptz") return new Date(Number(value)).toISOString();
  if (typeof value === "number") return String(value);
  return storable(value).replace(/[\\\n\r\t]/g, (character) => ESCAPES[character] ?? character);
}

/** Lines of COPY's text format (PostgreSQL manual, COPY, File Formats), a few hundred rows to the piece. */
export function* copyLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Generator<string> {
  for (let start = 0; start < rows.length; start += INSERT_ROWS) {
    let piece = "";
    for (const row of rows.slice(start, start + INSERT_ROWS))
      piece += `${columns.map(({ of, type }) => copyField(of(row), type)).join("\t")}\n`;
    yield piece;
  }
}

export function copyText<Row>(table: string, columns: readonly Column<Row>[]): string {
  return `copy ${table} (${columns.map(({ name }) => name).join(", ")}) from stdin`;
}

/** One insert of many rows; rows keep their order. `ending` follows, as `on conflict …`. */
export function insertText<Row>(table: string, columns: readonly Column<Row>[], ending = ""): string {
  const names = columns.map(({ name }) => name).join(", ");
  const arrays = columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(", ");
  return `insert into ${table} (${names}) select ${names} from unnest(${arrays}) with ordinality as given (${names}, position) order by position ${ending}`;
}

function insertValue(value: string | number | null, type: ColumnType): string | number | null {
  if (value === null) return null;
  if (type === "timestamptz") return new Date(Number(value)).toISOString();
  return typeof value === "number" ? value : storable(value);
}

/** The values of `insertText`, as many statements' worth as there are. */
export function* insertValues<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Generator<unknown[][]> {
  for (let start = 0; start < rows.length; start += INSERT_ROWS) {
    const slice = rows.slice(start, start + INSERT_ROWS);
    yield columns.map(({ of, type }) => slice.map((row) => insertValue(of(row), type)));
  }
}
