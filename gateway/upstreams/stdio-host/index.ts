/** The stdio host: one process that owns all stdio MCP servers and speaks streamable HTTP on a Unix socket. */
export { inheritedEnvironment } from "./definition.ts";
export { killLeftGroups } from "./host.ts";
export { type ListeningHost, type ListenOptions, listenStdioHost } from "./server.ts";
