import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeCursor,
  encodeCursor,
  LEGAL_NAME,
  originalName,
  prefixName,
  prefixUri,
  SLUG,
  slugify,
  splitName,
  splitUri,
} from "../../../gateway/mcp/index.ts";

const slug = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
const anyName = fc.oneof(fc.stringMatching(/^[A-Za-z0-9_.-]{1,140}$/), fc.string({ minLength: 1, maxLength: 200 }));

describe("prefixed names", () => {
  it("are legal and come back to the same upstream and name, for any name", () => {
    fc.assert(
      fc.property(
        slug,
        fc.uniqueArray(anyName, { minLength: 1, maxLength: 8 }),
        fc.array(slug),
        (own, names, others) => {
          const listed = names.map((name) => prefixName(own, "__", name));
          expect(new Set(listed).size).toBe(names.length);
          for (const [index, entry] of listed.entries()) {
            expect(entry).toMatch(LEGAL_NAME);
            const split = splitName(entry, "__", new Set([own, ...others]));
            expect(split?.slug).toBe(own);
            expect(originalName(own, "__", split?.rest ?? "", names)).toBe(names[index]);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("stay plain where they can", () => {
    expect(prefixName("time", "__", "convert_time")).toBe("time__convert_time");
    expect(prefixName("time", "-", "convert_time")).toBe("time-convert_time");
  });

  it("a name that looks like a digest is digested itself", () => {
    const fake = "x..0123456789abcdef";
    expect(prefixName("a", "__", fake)).not.toBe(`a__${fake}`);
    expect(originalName("a", "__", prefixName("a", "__", fake).slice(3), [fake])).toBe(fake);
  });

  it("take the longest slug where the separator could stand in one", () => {
    expect(splitName("a-b-c", "-", new Set(["a", "a-b"]))).toEqual({ slug: "a-b", rest: "c" });
    expect(splitName("b-c", "-", new Set(["a"]))).toBeUndefined();
  });
});

describe("prefixed URIs", () => {
  it("come back for any URI", () => {
    fc.assert(
      fc.property(slug, fc.string(), (own, uri) => {
        expect(splitUri(prefixUri(own, uri))).toEqual({ slug: own, uri });
      }),
    );
  });
  it("other URIs are not split", () => {
    expect(splitUri("file:///a+b")).toBeUndefined();
    expect(splitUri("+x")).toBeUndefined();
  });
});

describe("slugs", () => {
  it("are slugs, whatever the name", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(slugify(name)).toMatch(SLUG);
      }),
    );
    expect(slugify("My Server (v2)")).toBe("my-server-v2");
    expect(slugify("2 fast")).toBe("g-2-fast");
    expect(slugify("Größe")).toBe("gro-e");
  });
});

describe("cursors", () => {
  const list = fc.constantFrom("tools/list", "prompts/list");
  const parts = fc.array(fc.record({ upstreamId: fc.string(), cursor: fc.string() }), { maxLength: 5 });

  it("come back, and only for their own list", () => {
    fc.assert(
      fc.property(list, parts, (name, continuations) => {
        const cursor = encodeCursor(name, continuations);
        expect(decodeCursor(name, cursor)).toEqual(continuations);
        expect(() => decodeCursor("resources/list", cursor)).toThrow(expect.objectContaining({ code: "MCPS_CURSOR" }));
      }),
      { numRuns: 2000 },
    );
  });

  it("an altered character is noticed at every place", () => {
    const cursor = encodeCursor("tools/list", [{ upstreamId: "u1", cursor: "next" }]);
    for (let at = 0; at < cursor.length; at++) {
      const altered = cursor.slice(0, at) + (cursor[at] === "A" ? "B" : "A") + cursor.slice(at + 1);
      expect(() => decodeCursor("tools/list", altered), altered).toThrow(
        expect.objectContaining({ code: "MCPS_CURSOR" }),
      );
    }
  });

  it("foreign text is refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor("tools/list", text)).toThrow(expect.objectContaining({ code: "MCPS_CURSOR" }));
      }),
      { numRuns: 2000 },
    );
  });
});
