/** What operators look at, behind REST. Each subject is a record of routes by id; this joins them. */
import { fault } from "../../contract/errors.ts";
import type { RestDescription, RestRoom } from "../../contract/rest.ts";
import { figureRoutes } from "./figures.ts";
import { schemas } from "./schemas.ts";
import { trailRoutes } from "./trails.ts";
import type { AdminRoutes, RecordParts } from "./types.ts";
import { upkeepRoutes } from "./upkeep.ts";

/** Routes of a subject that is not records, with the schemas they name. */
export type AdminSubject = { readonly routes: AdminRoutes; readonly schemas: RestDescription["schemas"] };

export function createAdmin(parts: RecordParts, ...subjects: readonly AdminSubject[]): RestRoom {
  const routes: AdminRoutes = Object.assign(
    { ...figureRoutes(parts), ...upkeepRoutes(parts), ...trailRoutes(parts) },
    ...subjects.map((subject) => subject.routes),
  );
  const known = (id: string) => (Object.hasOwn(routes, id) ? routes[id] : undefined);
  return {
    description: {
      schemas: Object.assign({ ...schemas }, ...subjects.map((subject) => subject.schemas)),
      routeOf: ({ id }) => known(id)?.description,
    },
    async handle(route, params, request) {
      const found = known(route.id);
      if (found === undefined) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
      return found.handle({ params, request });
    },
  };
}
