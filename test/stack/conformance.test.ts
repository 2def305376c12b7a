/** The official suite through the gateway, where `npm test` leaves it out: each engine at the other endpoint. */
import { conformanceThroughGateway } from "../conformance/through-gateway.ts";

conformanceThroughGateway({ engine: "fastify", endpoint: "/gateways/{id}/mcp" });
conformanceThroughGateway({ engine: "bounded", endpoint: "/servers/{id}/mcp" });
