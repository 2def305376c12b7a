/** Permissions, `resource.action`: what routes ask for, roles give and tokens are narrowed to. The only list of them. */
export type Action = "create" | "read" | "update" | "delete";

const REGISTRY = ["gateways", "servers", "tools", "resources", "prompts"] as const;
const ACTIONS = ["create", "read", "update", "delete"] as const satisfies readonly Action[];
const OTHERS = [
  /** To open MCP endpoints and call what they show. */
  "servers.use",
  "teams.create",
  "teams.read",
  "teams.update",
  "teams.delete",
  "teams.manage_members",
  "teams.join",
  "tokens.create",
  "tokens.read",
  "tokens.update",
  "tokens.revoke",
  /** What operators look at. */
  "admin.metrics",
  "admin.security_audit",
  "admin.system_config",
  /** The whole registry as a document, out and in. */
  "admin.export",
  "admin.import",
  /** To see users, roles and everybody's tokens and teams; to change them. */
  "users.read",
  "admin.user_management",
  /** To see in the registry what is others'. */
  "registry.oversee",
] as const;

export type Permission = `${(typeof REGISTRY)[number]}.${Action}` | (typeof OTHERS)[number];

export const PERMISSIONS: readonly Permission[] = [
  ...REGISTRY.flatMap((resource) => ACTIONS.map((action): Permission => `${resource}.${action}`)),
  ...OTHERS,
];

const KNOWN: ReadonlySet<string> = new Set(PERMISSIONS);

export function isPermission(text: string): text is Permission {
  return KNOWN.has(text);
}
