/** The team that each new user gets for what is his alone. */
import { slugify } from "../mcp/index.ts";
import type { PersonalTeam } from "../store/index.ts";

export function personalTeam(email: string, prefix: string): PersonalTeam {
  return { name: `${prefix}${email}`, slug: slugify(`personal-${email}`).slice(0, 60) };
}
