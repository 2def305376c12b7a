/** PostgreSQL 18, which no Debian of today ships, knows every name of the file; the embedded one is asked. */
import { PGlite } from "@electric-sql/pglite";
import { expect, it } from "vitest";
import { renderPostgresql } from "../../../infra/topology/index.ts";
import { postgresPlace } from "./places.ts";
import { plans } from "./plans.ts";

it("knows every setting that is rendered for it", async () => {
  const plan = { ...plans.prod, postgres: { ...plans.prod.postgres, version: 18 } };
  const names = [...renderPostgresql(plan, postgresPlace).matchAll(/^(\w+) = /gm)].map(([, name]) => name);
  const database = await PGlite.create();
  const { rows } = await database.query<{ name: string }>("select name from pg_settings where name = any($1)", [names]);
  const { rows: version } = await database.query("select current_setting('server_version_num')::int / 10000 as major");
  await database.close();
  expect(version).toEqual([{ major: 18 }]);
  expect(rows.map(({ name }) => name).sort()).toEqual(names.sort());
});
