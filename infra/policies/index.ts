/** The policy pack, for `pulumi preview --policy-pack infra/policies`. Constructing it starts a server: tests import policies.ts. */
import { PolicyPack } from "@pulumi/policy";
import { policies } from "./policies.ts";

new PolicyPack("mcp-stack", { policies: [...policies], enforcementLevel: "mandatory" });
