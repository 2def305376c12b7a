/** The door of the registry room: REST of upstreams, virtual servers and their items; what is hosted here; declared upstreams; OpenAPI. */

export { visible } from "./access.ts";
export { listResponse } from "./answers.ts";
export { type DeclarationOptions, type Declarations, watchDeclarations } from "./declarative.ts";
export { registryDescription } from "./describe.ts";
export { flag, readBody, readListQuery, readQuery } from "./input.ts";
export { type InspectParts, refreshGateway } from "./inspect.ts";
export { createLibrary } from "./library.ts";
export { isPerCaller } from "./oauth.ts";
export { type Descriptions, openApiDocument } from "./openapi.ts";
export { invalid, type Problem } from "./problems.ts";
export { createRegistry } from "./registry.ts";
export type { RegistryParts } from "./types.ts";
