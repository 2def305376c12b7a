/** Permissions, `resource.action`: what routes ask for, roles give and tokens are narrowed to. */
export type Action = "create" | "read" | "update" | "delete";

export type Permission =
  | `${"gateways" | "servers" | "tools" | "resources" | "prompts"}.${Action}`
  | "servers.use"
  | "admin.metrics";
