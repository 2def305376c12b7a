/** The official suite through the gateway: all of it on each engine, each at one of the endpoints. */
import { conformanceThroughGateway } from "./through-gateway.ts";

conformanceThroughGateway({ engine: "fastify", endpoint: "/servers/{id}/mcp" });
conformanceThroughGateway({ engine: "bounded", endpoint: "/gateways/{id}/mcp" });
