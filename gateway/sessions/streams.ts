/**
 * What upstreams send outside any request, brought to the one stream on which a legacy session listens. Whoever holds that
 * stream holds the upstreams' streams too: they live exactly as long. Other workers say over the session's channel which
 * upstreams and subscriptions have been added.
 */
import { type Caller, declares, outboundListen, type View, type ViewUpstream } from "../federation/index.ts";
import {
  type Envelope,
  META,
  memberAt,
  notificationMessage,
  pathAt,
  prefixUri,
  removeMembers,
  scanMessage,
  splice,
  stringAt,
  updatedUriEdits,
} from "../mcp/index.ts";
import type { Exchange, UpstreamProfile } from "../upstreams/index.ts";
import type { Asks } from "./asks.ts";
import { keepListening } from "./kept-listen.ts";
import { answerOrForward } from "./stray-requests.ts";
import type { ConversationParts } from "./types.ts";

/** Takes messages for the client in order. */
export type StreamOut = (raw: Buffer) => void;

export type SessionStream = { close(): void };

const LIST_CHANGES = [
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
] as const;

export function lineChannel(holderKey: string): string {
  return `line:${holderKey}`;
}

/** State key of a holder's subscriptions on modern upstreams: field `<upstream id> <uri>`. */
export function modernSubscriptions(holderKey: string): string {
  return `msubs:${holderKey}`;
}

export type Streams = ReturnType<typeof createStreams>;

export function createStreams(parts: ConversationParts, asks: Asks) {
  const open = new Set<OpenStream>();
  /** Upstreams that this worker has announced per holder; a bounded memory that only saves messages. */
  const announced = new Map<string, Set<string>>();

  return {
    /** A request of this holder has reached an upstream that may have a stream for it. */
    announce(upstream: ViewUpstream, caller: Caller, profile: UpstreamProfile): void {
      if (caller.sessionId === undefined || profile.era !== "legacy" || profile.sessionless) return;
      let known = announced.get(caller.holder.key);
      if (known?.has(upstream.record.id)) return;
      if (known === undefined) {
        if (announced.size > 10_000) announced.clear();
        known = new Set();
        announced.set(caller.holder.key, known);
      }
      known.add(upstream.record.id);
      parts.state.publish(lineChannel(caller.holder.key), upstream.record.id).catch((error: unknown) => {
        parts.log.warn("a session's stream was not told of an upstream", { reason: String(error) });
      });
    },

    /** Subscriptions of this holder on a modern upstream have changed. */
    async resubscribe(upstream: ViewUpstream, caller: Caller): Promise<void> {
      await parts.state.publish(lineChannel(caller.holder.key), upstream.record.id);
    },

    /** Opens the upstreams' streams of a session and sends what they bring to `out`. */
    async openStream(view: () => View, caller: Caller, out: StreamOut): Promise<SessionStream> {
      const stream = new OpenStream(parts, asks, view, caller, out);
      open.add(stream);
      try {
        await stream.start();
      } catch (error) {
        open.delete(stream);
        stream.close();
        throw error;
      }
      return {
        close: () => {
          open.delete(stream);
          stream.close();
        },
      };
    },

    /** The catalogue has changed: every open stream says so once, and follows upstreams that are new or gone. */
    catalogueChanged(changed: readonly string[]): void {
      // A changed upstream is opened anew, which the streams have to hear of again.
      announced.clear();
      for (const stream of open) stream.catalogueChanged(changed);
    },
  };
}

class OpenStream {
  private readonly lines = new Map<string, Exchange>();
  private ended = false;
  private leave: (() => Promise<void>) | undefined;
  private readonly parts: ConversationParts;
  private readonly asks: Asks;
  private readonly view: () => View;
  private readonly caller: Caller;
  private readonly out: StreamOut;

  constructor(parts: ConversationParts, asks: Asks, view: () => View, caller: Caller, out: StreamOut) {
    this.parts = parts;
    this.asks = asks;
    this.view = view;
    this.caller = caller;
    this.out = out;
  }

  async start(): Promise<void> {
    const { state, federation } = this.parts;
    this.leave = await state.subscribe(lineChannel(this.caller.holder.key), (upstreamId) => this.follow(upstreamId));
    if (this.ended) {
      await this.leave();
      return;
    }
    const held = await federation.upstreams.held(this.caller.holder.key);
    for (const id of held.upstreamIds) this.follow(id);
    for (const upstream of this.view().upstreams) this.followIfModern(upstream);
  }

  close(): void {
    this.ended = true;
    for (const line of this.lines.values()) line.cancel();
    this.lines.clear();
    this.leave?.().catch((error: unknown) => this.parts.log.debug("unsubscribe failed", { reason: String(error) }));
    this.leave = undefined;
  }

  catalogueChanged(changed: readonly string[]): void {
    if (this.ended) return;
    const upstreams = this.present();
    const present = new Set(upstreams.map(({ record }) => record.id));
    for (const [id, line] of this.lines) {
      if (present.has(id) && !changed.includes(id)) continue;
      line.cancel();
      this.lines.delete(id);
    }
    for (const upstream of upstreams) this.followIfModern(upstream);
    for (const method of LIST_CHANGES) this.out(notificationMessage(method));
  }

  /** The upstreams of the view; none once the view is gone. */
  private present(): readonly ViewUpstream[] {
    try {
      return this.view().upstreams;
    } catch (error) {
      this.parts.log.debug("the view of an open stream is gone", { reason: String(error) });
      return [];
    }
  }

  /** (Re-)opens the line to an upstream; a modern one gets a listen with the subscriptions of the moment. */
  private follow(upstreamId: string): void {
    if (this.ended) return;
    const upstream = this.present().find(({ record }) => record.id === upstreamId);
    if (upstream === undefined) return;
    this.parts.federation.profile(upstream, "legacy").then(
      (profile) => (profile.era === "legacy" ? this.listenLegacy(upstream) : this.listenModern(upstream, profile)),
      (error: unknown) =>
        this.parts.log.debug("no stream of an upstream", { upstream: upstream.record.slug, reason: String(error) }),
    );
  }

  private followIfModern(upstream: ViewUpstream): void {
    if (this.ended || this.lines.has(upstream.record.id)) return;
    this.parts.federation.profile(upstream, "legacy").then(
      (profile) => {
        if (profile.era === "modern" && !this.lines.has(upstream.record.id)) this.listenModern(upstream, profile);
      },
      (error: unknown) =>
        this.parts.log.debug("no stream of an upstream", { upstream: upstream.record.slug, reason: String(error) }),
    );
  }

  private listenLegacy(upstream: ViewUpstream): void {
    const { id, slug } = upstream.record;
    if (this.ended || this.lines.has(id)) return;
    const line = this.parts.federation.upstreams.listen(upstream.target, this.caller.holder, {
      message: (raw, _status, envelope) => this.receive(upstream, raw, envelope),
      // It has no such stream: asking again would not change that.
      end: () => undefined,
      fail: (failure) => {
        if (this.lines.get(id) === line) this.lines.delete(id);
        this.parts.log.debug("an upstream's stream ended", { upstream: slug, reason: failure.message });
      },
    });
    this.lines.set(id, line);
  }

  private listenModern(upstream: ViewUpstream, profile: UpstreamProfile): void {
    this.subscribedUris(upstream)
      .then((uris) => {
        if (this.ended) return;
        const { id } = upstream.record;
        this.lines.get(id)?.cancel();
        this.lines.delete(id);
        const wanted = listenFilter(profile, uris);
        if (wanted === undefined) return;
        const message = () => outboundListen(this.caller, profile, this.parts.federation.nextId(), wanted);
        const line = keepListening(this.parts, upstream.target, this.caller.holder, message, {
          message: (raw, envelope) => this.receive(upstream, raw, envelope),
          resumed: () => {
            for (const method of LIST_CHANGES) this.out(notificationMessage(method));
          },
        });
        this.lines.set(id, line);
      })
      .catch((error: unknown) => this.parts.log.warn("subscriptions cannot be read", { reason: String(error) }));
  }

  private async subscribedUris(upstream: ViewUpstream): Promise<string[]> {
    const fields = await this.parts.state.mapGet(modernSubscriptions(this.caller.holder.key));
    const head = `${upstream.record.id} `;
    return [...fields.keys()].filter((field) => field.startsWith(head)).map((field) => field.slice(head.length));
  }

  private receive(upstream: ViewUpstream, raw: Buffer, envelope: Envelope): void {
    if (this.ended) return;
    try {
      if (envelope.kind === "request") this.receiveRequest(upstream, raw, envelope);
      else if (envelope.kind === "notification") this.receiveNotification(upstream, raw, envelope);
    } catch (error) {
      this.parts.log.warn("an upstream sent something that is no message", {
        upstream: upstream.record.slug,
        reason: String(error),
      });
    }
  }

  private receiveNotification(upstream: ViewUpstream, raw: Buffer, envelope: Envelope): void {
    const { method, params } = envelope;
    if (method === "notifications/subscriptions/acknowledged") return;
    const plain = withoutSubscriptionId(raw, envelope);
    if (method !== "notifications/resources/updated" || !this.view().prefixed) {
      this.out(plain);
      return;
    }
    const { slug } = upstream.record;
    const again = plain === raw ? { bytes: raw, params } : { bytes: plain, params: scanMessage(plain).params };
    this.out(
      splice(
        again.bytes,
        updatedUriEdits(again.bytes, again.params, (uri) => prefixUri(slug, uri)),
      ),
    );
  }

  private receiveRequest(upstream: ViewUpstream, raw: Buffer, envelope: Envelope): void {
    if (envelope.id === undefined) return;
    answerOrForward(this.parts, this.asks, upstream, this.caller, raw, envelope, this.out);
  }
}

/** What a modern upstream is asked to tell; undefined when it has nothing to tell. */
function listenFilter(profile: UpstreamProfile, uris: readonly string[]): string | undefined {
  const filter: Record<string, unknown> = {};
  if (declares(profile, "tools", "listChanged")) filter.toolsListChanged = true;
  if (declares(profile, "prompts", "listChanged")) filter.promptsListChanged = true;
  if (declares(profile, "resources", "listChanged")) filter.resourcesListChanged = true;
  if (uris.length > 0 && declares(profile, "resources", "subscribe")) filter.resourceSubscriptions = uris;
  return Object.keys(filter).length === 0 ? undefined : JSON.stringify(filter);
}

/** A modern notification as a legacy one: without the subscription id, and without a `_meta` or params left empty by that. */
function withoutSubscriptionId(raw: Buffer, envelope: Envelope): Buffer {
  const meta = memberAt(raw, envelope.params, "_meta");
  if (meta === undefined || envelope.params === undefined || pathAt(raw, meta, META.subscriptionId) === undefined)
    return raw;
  return splice(raw, removeMembers(raw, meta, [META.subscriptionId]));
}

export function uriOf(raw: Buffer, envelope: Envelope): string | undefined {
  return stringAt(raw, memberAt(raw, envelope.params, "uri"));
}
