/** Shapes of answers that all resources have in common. */
import type { RestResponse } from "../../contract/http.ts";
import { encodeCursor } from "../mcp/index.ts";
import type { Page } from "../store/index.ts";
import { flag, type ListInput, readQuery } from "./input.ts";

/**
 * A plain array, or `{<name>: […], nextCursor}` with include_pagination=true. The cursor stands in the header
 * x-next-cursor in both forms, so that a client of plain arrays can page too.
 */
export function listResponse<Row, Shown>(
  name: string,
  page: Page<Row>,
  input: ListInput,
  show: (row: Row) => Shown,
): RestResponse {
  const rows = page.rows.map((row) => show(row));
  const nextCursor =
    page.next === undefined ? undefined : encodeCursor(input.scope, [{ upstreamId: name, cursor: String(page.next) }]);
  const headers = nextCursor === undefined ? {} : { "x-next-cursor": nextCursor };
  return { status: 200, headers, body: input.paginated ? { [name]: rows, nextCursor: nextCursor ?? null } : rows };
}

export function stateFlag(query: string, kind: string): boolean {
  return flag(readQuery(query, ["activate"], kind), "activate", kind, true);
}
