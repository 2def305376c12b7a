/** The door of the topology: rendered files, who may talk to whom, and the rules over it. */

export { renderHba } from "./files/hba.ts";
export { renderNginx } from "./files/nginx.ts";
export { renderCredentialScript } from "./files/nginx-cache.ts";
export { renderPgbouncer, renderUserlist } from "./files/pgbouncer.ts";
export type * from "./files/place.ts";
export { renderPostgresql } from "./files/postgresql.ts";
export { renderRedis } from "./files/redis.ts";
export { PlaceError } from "./files/writing.ts";
