/** What tests need to start things and to speak to them. */
export * from "./certificates.ts";
export * from "./clients.ts";
export * from "./daemons.ts";
export { dataDirectory } from "./data-directories.ts";
export * from "./disks.ts";
export * from "./gateway.ts";
export * from "./http.ts";
export * from "./npm-servers.ts";
export * from "./ports.ts";
export * from "./process.ts";
export * from "./processes.ts";
export * from "./rpc.ts";
export * from "./wait.ts";
