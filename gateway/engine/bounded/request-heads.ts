/** The heads of a connection as the application gets them. Heads of the same bytes are one object here, too. */
import type { Socket } from "node:net";
import type { ClientCertificate, RequestHead } from "../../../contract/http.ts";
import { ClientAddress } from "../client-address.ts";
import { clientOf } from "../client-certificate.ts";
import type { EngineOptions } from "../engine.ts";
import { cutPrefix } from "../path-prefix.ts";
import type { ParsedHead } from "./memo.ts";
import { HeadReader } from "./reader.ts";

/** `parsed`: what the head says about the message. */
export type RequestOnWire = { readonly head: RequestHead; readonly parsed: ParsedHead };

export class RequestHeads {
  private readonly reader: HeadReader;
  private readonly address: ClientAddress;
  private readonly client: ClientCertificate | undefined;
  private readonly pathPrefix: string;
  private last: RequestOnWire | undefined;

  constructor({ maxHeadBytes, pathPrefix, trustedProxies }: EngineOptions, socket: Socket) {
    this.reader = new HeadReader({ maxHeadBytes, memo: true });
    this.address = new ClientAddress(trustedProxies, socket.remoteAddress);
    this.client = clientOf(socket);
    this.pathPrefix = pathPrefix;
  }

  close(): void {
    this.reader.close();
  }

  /** As of HeadReader. */
  read(bytes: Buffer, from: number): RequestOnWire | "incomplete" | "hand-over" {
    const parsed = this.reader.read(bytes, from);
    if (parsed === "incomplete" || parsed === "hand-over") return parsed;
    if (this.last?.parsed === parsed) return this.last;
    const { method, path, query, headers } = parsed;
    const { client } = this;
    const remoteAddress = this.address.of(headers);
    const head = { method, path: cutPrefix(path, this.pathPrefix), query, headers, remoteAddress, client };
    this.last = { head, parsed };
    return this.last;
  }
}
