/**
 * subscriptions/listen of a modern client over upstreams of both eras (MCP 2026-07-28 subscriptions). A legacy upstream gets
 * a session of its own for the life of the stream, so that nobody else's stream or subscriptions are touched.
 */
import { randomUUID } from "node:crypto";
import { type Caller, outboundListen, type View, type ViewUpstream } from "../federation/index.ts";
import {
  type Envelope,
  META,
  memberAt,
  notificationMessage,
  prefixUri,
  resultMessage,
  setMember,
  splice,
  stringAt,
  updatedUriEdits,
} from "../mcp/index.ts";
import type { Exchange, Holder, UpstreamProfile, UpstreamTarget } from "../upstreams/index.ts";
import type { Asks } from "./asks.ts";
import { keepListening } from "./kept-listen.ts";
import { accepts, type Filter, filterFor, filterJson, isEmpty, parseFilter } from "./listen-filter.ts";
import { answerOrForward } from "./stray-requests.ts";
import type { ClientReply, ConversationParts } from "./types.ts";

/** How long the acknowledgement waits for slow upstreams. */
const SETTLE_MS = 2000;
const MAX_EARLY = 1000;

export class ListenStream {
  private readonly parts: ConversationParts;
  private readonly asks: Asks;
  private readonly view: () => View;
  private readonly caller: Caller;
  private readonly reply: ClientReply;
  private readonly id: Buffer;
  private readonly filter: Filter;
  private readonly holder: Holder;
  private readonly lines = new Map<string, Exchange>();
  private readonly over: () => void;
  /** Where a session of this stream's own was opened, by upstream id. */
  private readonly legacy = new Map<string, UpstreamTarget>();
  private ended = false;
  /** What came before the acknowledgement; undefined once that is out. */
  private early: Buffer[] | undefined = [];

  constructor(
    parts: ConversationParts,
    asks: Asks,
    view: () => View,
    caller: Caller,
    body: Buffer,
    envelope: Envelope,
    reply: ClientReply,
    over: () => void,
  ) {
    this.over = over;
    this.parts = parts;
    this.asks = asks;
    this.view = view;
    this.caller = caller;
    this.reply = reply;
    this.id = envelope.id === undefined ? Buffer.from("null") : body.subarray(envelope.id.start, envelope.id.end);
    this.filter = parseFilter(body, envelope);
    this.holder = { ...caller.holder, key: `l:${randomUUID()}`, clientCapabilities: Buffer.from("{}") };
  }

  /** Acknowledges once the upstreams have been asked, so that a change right after the acknowledgement is not missed. */
  async start(): Promise<void> {
    const view = this.view();
    const honored = await this.honored(view);
    const meta = `"_meta":{"${META.subscriptionId}":${this.id.toString()}}`;
    const acknowledgement = notificationMessage(
      "notifications/subscriptions/acknowledged",
      `{"notifications":${filterJson(honored)},${meta}}`,
    );
    if (isEmpty(honored)) {
      this.reply.message(acknowledgement);
      this.complete();
      return;
    }
    const following = Promise.all(view.upstreams.map((upstream) => this.follow(upstream)));
    await Promise.race([following, new Promise((resolve) => setTimeout(resolve, SETTLE_MS).unref())]);
    if (this.ended) return;
    this.reply.message(acknowledgement);
    for (const raw of this.early?.splice(0) ?? []) this.reply.message(raw);
    this.early = undefined;
  }

  /** Notifications never come before the acknowledgement. */
  private tell(raw: Buffer): void {
    if (this.early === undefined) this.reply.message(raw);
    else if (this.early.length < MAX_EARLY) this.early.push(raw);
  }

  /** One upstream: what it can tell. Many: what was asked for, because upstreams come and go. */
  private async honored(view: View): Promise<Filter> {
    const [only] = view.upstreams;
    if (view.scope.kind !== "gateway" || only === undefined) return this.filter;
    return filterFor(view, only, await this.parts.federation.profile(only, "modern"), this.filter);
  }

  /** Resolves when the upstream has taken the subscription, or cannot. */
  private async follow(upstream: ViewUpstream): Promise<void> {
    if (this.ended || this.lines.has(upstream.record.id)) return;
    try {
      const profile = await this.parts.federation.profile(upstream, "modern");
      if (this.ended || this.lines.has(upstream.record.id)) return;
      const own = filterFor(this.view(), upstream, profile, this.filter);
      if (isEmpty(own)) return;
      if (profile.era === "modern") await this.listenModern(upstream, profile, own);
      else if (!profile.sessionless) await this.listenLegacy(upstream, own);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.parts.log.warn("no subscription at an upstream", { upstream: upstream.record.slug, reason });
    }
  }

  private listenModern(upstream: ViewUpstream, profile: UpstreamProfile, own: Filter): Promise<void> {
    const message = () => outboundListen(this.caller, profile, this.parts.federation.nextId(), filterJson(own));
    return new Promise((taken) => {
      const line = keepListening(this.parts, upstream.target, this.holder, message, {
        message: (raw, envelope) => this.receive(upstream, own, raw, envelope),
        settled: taken,
        resumed: () => this.tellListChanges(own),
      });
      this.lines.set(upstream.record.id, line);
    });
  }

  private async listenLegacy(upstream: ViewUpstream, own: Filter): Promise<void> {
    const { id, slug } = upstream.record;
    this.legacy.set(id, upstream.target);
    const line = this.parts.federation.upstreams.listen(upstream.target, this.holder, {
      message: (raw, _status, envelope) => this.receive(upstream, own, raw, envelope),
      end: () => undefined,
      fail: (failure) => {
        this.lines.delete(id);
        this.parts.log.debug("an upstream's stream ended", { upstream: slug, reason: failure.message });
      },
    });
    this.lines.set(id, line);
    const asked = own.uris.map((uri) =>
      this.parts.federation.upstreams.setSubscription(upstream.target, this.holder, uri, true),
    );
    for (const outcome of await Promise.allSettled(asked)) {
      if (outcome.status === "rejected")
        this.parts.log.warn("a subscription was refused by its upstream", {
          upstream: slug,
          reason: String(outcome.reason),
        });
    }
    // Closed meanwhile: what was asked for last may have opened the session once more.
    if (this.ended) this.release([upstream.target]);
  }

  private receive(upstream: ViewUpstream, own: Filter, raw: Buffer, envelope: Envelope): void {
    if (this.ended) return;
    try {
      if (envelope.kind === "request")
        answerOrForward(
          this.parts,
          this.asks,
          upstream,
          { ...this.caller, holder: this.holder },
          raw,
          envelope,
          undefined,
        );
      if (envelope.kind !== "notification") return;
      if (!accepts(own, envelope.method, stringAt(raw, memberAt(raw, envelope.params, "uri")))) return;
      this.tell(this.stamped(upstream, raw, envelope));
    } catch (error) {
      this.parts.log.warn("an upstream sent something that is no message", {
        upstream: upstream.record.slug,
        reason: String(error),
      });
    }
  }

  /** The notification with this stream's subscription id and, in a merged view, the listed URI. */
  private stamped(upstream: ViewUpstream, raw: Buffer, envelope: Envelope): Buffer {
    if (envelope.params === undefined)
      return notificationMessage(envelope.method, `{"_meta":{"${META.subscriptionId}":${this.id.toString()}}}`);
    const rewrite = this.view().prefixed ? (uri: string) => prefixUri(upstream.record.slug, uri) : undefined;
    const edits = rewrite === undefined ? [] : updatedUriEdits(raw, envelope.params, rewrite);
    const meta = memberAt(raw, envelope.params, "_meta");
    edits.push(
      meta === undefined
        ? setMember(raw, envelope.params, "_meta", `{"${META.subscriptionId}":${this.id.toString()}}`)
        : setMember(raw, meta, META.subscriptionId, this.id),
    );
    return splice(raw, edits);
  }

  /** `changed`: ids of upstreams that went or have another connection than before. */
  catalogueChanged(changed: readonly string[]): void {
    if (this.ended) return;
    let view: View;
    try {
      view = this.view();
    } catch {
      // What it listened to is no longer there for this caller.
      this.complete();
      return;
    }
    const present = new Set(view.upstreams.map(({ record }) => record.id));
    for (const [id, line] of this.lines) {
      if (present.has(id) && !changed.includes(id)) continue;
      line.cancel();
      this.lines.delete(id);
    }
    for (const upstream of view.upstreams) void this.follow(upstream);
    this.tellListChanges(this.filter);
  }

  private tellListChanges(filter: Filter): void {
    const params = `{"_meta":{"${META.subscriptionId}":${this.id.toString()}}}`;
    for (const kind of ["tools", "prompts", "resources"] as const)
      if (filter[kind]) this.tell(notificationMessage(`notifications/${kind}/list_changed`, params));
  }

  /** Ends in good order: the empty result, then the stream closes. */
  complete(): void {
    if (this.ended) return;
    this.close();
    const meta = `{"${META.subscriptionId}":${this.id.toString()},"${META.serverInfo}":${this.parts.federation.identityJson.toString()}}`;
    this.reply.finish(resultMessage(this.id, `{"resultType":"complete","_meta":${meta}}`), 200);
  }

  /** Idempotent. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.over();
    for (const line of this.lines.values()) line.cancel();
    this.lines.clear();
    if (this.legacy.size > 0) this.release([...this.legacy.values()]);
  }

  private release(targets: readonly UpstreamTarget[]): void {
    this.parts.federation.upstreams.release(this.holder.key, targets).catch((error: unknown) => {
      this.parts.log.debug("an upstream session could not be ended", { reason: String(error) });
    });
  }
}
