/** The legacy handshake, which is ours to answer: the version, a session, what the view offers. */
import { fault } from "../../contract/errors.ts";
import { type Envelope, isObject, memberAt, negotiateLegacy, resultMessage, stringAt } from "../mcp/index.ts";
import type { SessionFacts } from "../sessions/index.ts";
import type { Endpoint, TransportParts } from "./context.ts";

export type Handshake = { readonly token: string; readonly facts: SessionFacts; readonly response: Buffer };

const EMPTY = Buffer.from("{}");

/** What an initialize request says of its client; throws MCPS_PARAMS. */
export function clientOf(
  body: Buffer,
  envelope: Envelope,
): { protocolVersion: string; capabilities: Buffer; clientInfo: Buffer } {
  const refuse = (reason: string) => fault("MCPS_PARAMS", { method: "initialize", reason });
  const asked = stringAt(body, memberAt(body, envelope.params, "protocolVersion"));
  if (asked === undefined) throw refuse("params.protocolVersion has to be a string");
  const capabilities = memberAt(body, envelope.params, "capabilities");
  if (capabilities !== undefined && !isObject(body, capabilities))
    throw refuse("params.capabilities has to be an object");
  const info = memberAt(body, envelope.params, "clientInfo");
  if (info !== undefined && !isObject(body, info)) throw refuse("params.clientInfo has to be an object");
  return {
    protocolVersion: negotiateLegacy(asked),
    capabilities: capabilities === undefined ? EMPTY : Buffer.from(body.subarray(capabilities.start, capabilities.end)),
    clientInfo:
      info === undefined
        ? Buffer.from('{"name":"unknown","version":"0"}')
        : Buffer.from(body.subarray(info.start, info.end)),
  };
}

/** Mints a session and answers initialize. Throws MCPS_PARAMS, and what the only upstream of a view fails with. */
export async function handshake(
  parts: TransportParts,
  endpoint: Endpoint,
  body: Buffer,
  envelope: Envelope,
): Promise<Handshake> {
  const client = clientOf(body, envelope);
  const result = await parts.federation.initializeResult(endpoint.view(), client.protocolVersion);
  const minted = parts.sessions.mint(
    endpoint.name,
    endpoint.principal.id,
    client.protocolVersion,
    client.capabilities,
    client.clientInfo,
  );
  const id = envelope.id === undefined ? "null" : body.subarray(envelope.id.start, envelope.id.end);
  return { ...minted, response: resultMessage(id, result) };
}
