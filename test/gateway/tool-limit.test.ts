/** Calls of one tool at a time. */
import { describe, expect, it } from "vitest";
import { fault } from "../../contract/errors.ts";
import { joinWatches } from "../../gateway/call-watch.ts";
import type { WatchedCall } from "../../gateway/sessions/index.ts";
import { limitTools } from "../../gateway/tool-limit.ts";

/** What of a call a limit looks at. */
const call = (tool: string, slug = "files", method = "tools/call"): WatchedCall =>
  ({
    envelope: { method },
    route: { target: { value: tool }, upstream: { record: { id: `id-${slug}`, slug } } },
  }) as unknown as WatchedCall;

describe("the limit of a tool", () => {
  it("refuses one call more, by name, until one of them ends", () => {
    const watch = limitTools(2);
    const [a, b, c] = [call("slow"), call("slow"), call("slow")];
    expect([watch.mayBegin(a), watch.mayBegin(b)]).toEqual([undefined, undefined]);
    expect(watch.mayBegin(c)).toMatchObject({
      code: "MCPS_TOOL_BUSY",
      status: 503,
      message: "Tool slow of upstream files has 2 calls running, the most that it may have (TOOL_CONCURRENT_LIMIT)",
      headers: { "retry-after": "1" },
      data: { retryAfterSeconds: 1 },
    });
    // The refused one ends too, and sets nothing free.
    watch.ended(c, "MCPS_TOOL_BUSY", 0);
    expect(watch.mayBegin(call("slow"))).toMatchObject({ code: "MCPS_TOOL_BUSY" });
    watch.ended(a, "ok", 5);
    expect(watch.mayBegin(call("slow"))).toBeUndefined();
    expect(watch.mayBegin(call("slow"))).toMatchObject({ code: "MCPS_TOOL_BUSY" });
  });

  it("is another one for another tool, the same name elsewhere, and none for other methods", () => {
    const watch = limitTools(1);
    const begun = [
      call("slow"),
      call("quick"),
      call("slow", "other"),
      call("slow", "files", "prompts/get"),
      call("slow", "files", "prompts/get"),
    ].map((one) => watch.mayBegin(one));
    expect(begun).toEqual(Array(5).fill(undefined));
  });

  it("counts no call that somebody else refused before, and each call once", () => {
    const refusing = { mayBegin: () => fault("MCPS_OVERLOADED", { what: "calls", limit: 1 }), ended: () => undefined };
    const limited = limitTools(1);
    const watch = joinWatches([refusing, limited]);
    const one = call("slow");
    watch.mayBegin(one);
    watch.ended(one, "ok", 1);
    watch.ended(one, "ok", 1);
    expect(limited.mayBegin(call("slow"))).toBeUndefined();
    expect(limited.mayBegin(call("slow"))).toMatchObject({ code: "MCPS_TOOL_BUSY" });
  });
});
