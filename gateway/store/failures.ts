/** Failures of the database: which one it is, which pass by themselves, and after which nothing has been done. */
import { Fault, fault } from "../../contract/errors.ts";

/** A failure of the driver as MCPS_DATABASE; its text holds no values of statements and no password. */
export function databaseFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const code = errorField(error, "code");
  const message = error instanceof Error && error.message !== "" ? error.message : "no connection";
  return fault("MCPS_DATABASE", { reason: code === undefined ? message : `${message} (${code})` });
}

/** Fields of the driver's errors: `code` (SQLSTATE or errno), `constraint` and `severity`. */
export function errorField(error: unknown, name: "code" | "constraint" | "severity"): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === "string" ? value : undefined;
}

/** SQLSTATEs (PostgreSQL appendix A) and errnos of a database that may answer in a moment. 08P01 is a pooler without its server. */
const PASSING: ReadonlySet<string> = new Set([
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "08P01",
  "08001",
  "08004",
  "08006",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
]);

/** The driver's words, without a code, for a connection that ended under a statement or before it was ready. */
const ENDED = /^(?:Connection terminated|Client has encountered a connection error)/;

/** What the server says has a code; without one it is the driver that found no connection. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Fault) return false;
  const code = errorField(error, "code");
  return code === undefined ? error instanceof Error : PASSING.has(code);
}

/** The connection is gone or was never there; a wait that took its whole time is none of these. */
export function isLostConnection(error: unknown): boolean {
  const code = errorField(error, "code");
  if (code !== undefined) return PASSING.has(code);
  return error instanceof Error && ENDED.test(error.message);
}

/** Serialisation failures and deadlocks: the server has rolled the whole transaction back and says to try again. */
export function isRolledBack(error: unknown): boolean {
  const code = errorField(error, "code");
  return code === "40001" || code === "40P01";
}

/** The statement failed and the connection is as good as before; after everything else it is closed. */
export function leavesConnection(error: unknown): boolean {
  return errorField(error, "severity") === "ERROR";
}

/** The prepared statement is not where it was: a pooler changed the server connection under it. Nothing was executed. */
export function lostItsName(error: unknown): boolean {
  const code = errorField(error, "code");
  return code === "26000" || code === "42P05";
}
