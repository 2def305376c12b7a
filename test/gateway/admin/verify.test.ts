/** Reading a trail while older rows are dropped from it: what was there is no gap, and a gap stays one. */
import { describe, expect, it } from "vitest";
import { readTrail, verifyChains, verifyWrittenOut, writtenOut } from "../../../gateway/admin/index.ts";
import type { AuditRow, RecordRepository } from "../../../gateway/store/index.ts";
import { GENESIS, linkRow } from "../../../gateway/telemetry/chain.ts";
import { type Anchor, type ChainKeys, signAnchor } from "../../../gateway/telemetry/index.ts";

const keys: ChainKeys = [{ id: "k1", secret: Buffer.alloc(32, 1) }];
const foreign: ChainKeys = [{ id: "k1", secret: Buffer.alloc(32, 2) }];
const writer = "w";

function chainOf(count: number): AuditRow[] {
  const rows: AuditRow[] = [];
  for (let sequence = 1; sequence <= count; sequence++) {
    const link = {
      ...{ writer, sequence, at: sequence, correlationId: "c", principal: "ann", principalKind: "jwt", tokenId: null },
      ...{ remote: "127.0.0.1", method: "POST", action: "gateways.create", resourceType: "gateways", resourceId: null },
      ...{ status: 201, outcome: "ok", change: null, dropped: 0 },
    };
    rows.push(linkRow(keys, link, rows.at(-1)?.hash ?? GENESIS));
  }
  return rows;
}

/** `before` is called ahead of each look at the rows, which are numbered from 0. */
function trailOf(
  count: number,
  before: (look: number, drop: (upTo: number, by: ChainKeys | undefined) => void) => void,
) {
  let rows = chainOf(count);
  let anchor: Anchor | undefined;
  let looks = 0;
  const drop = (upTo: number, by: ChainKeys | undefined) => {
    const last = rows.find(({ sequence }) => sequence === upTo);
    if (by !== undefined && last !== undefined) {
      const { sequence, hash } = last;
      anchor = signAnchor(by, { writer, sequence, hash });
    }
    rows = rows.filter(({ sequence }) => sequence > upTo);
  };
  const last = rows.at(-1);
  const reads: Pick<RecordRepository, "auditWriters" | "auditChain" | "auditAnchor"> = {
    auditWriters: async () => [writer],
    auditAnchor: async () => anchor,
    async auditChain(_, after, limit) {
      before(looks++, drop);
      return rows.filter(({ sequence }) => sequence > after).slice(0, limit);
    },
  };
  return { reads, head: { writer, sequence: count, hash: last?.hash ?? "" } };
}

describe("a chain that is pruned while it is read", () => {
  it.each([
    ["before its first rows are", 5, 0, 3, 2],
    ["between two looks", 1500, 1, 1200, 1300],
    ["between two looks, whole", 1500, 1, 1500, 1000],
    ["where a look ended", 1500, 1, 1000, 1500],
  ])("%s is whole, and so is what is written out of it", async (_, count, at, upTo, rows) => {
    const trail = () => trailOf(count, (look, drop) => (look === at ? drop(upTo, keys) : undefined));
    const whole = { ok: true, writers: 1, rows, broken: [] };
    const { reads, head } = trail();
    expect(await readTrail(reads, keys, [head])).toEqual({ ...whole, heads: [head] });
    expect(await verifyWrittenOut(writtenOut(trail().reads, keys), keys)).toEqual({ ...whole, heads: [head] });
  });

  it.each([
    ["no anchor", undefined],
    ["an anchor that is not ours", foreign],
  ])("is broken where rows are gone with %s", async (_, by) => {
    const { reads } = trailOf(1500, (look, drop) => (look === 1 ? drop(1200, by) : undefined));
    expect(await verifyChains(reads, keys)).toEqual({
      ...{ ok: false, writers: 1, rows: 1000 },
      broken: [{ writer, sequence: 1001, reason: "row 1001 is missing, 1201 follows" }],
    });
  });
});
