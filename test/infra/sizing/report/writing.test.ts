/** Numbers, tables and marks that reports are written with. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { figure, percent, quantity, scalar } from "../../../../infra/sizing/report/numbers.ts";
import { escapeXml, ticksTo } from "../../../../infra/sizing/report/panel.ts";
import { alignTable, cell, markdownTable, wrap } from "../../../../infra/sizing/report/table.ts";

describe("numbers", () => {
  it.each([
    [4320, "4,320"],
    [10.799999999999999, "10.8"],
    [0.18, "0.18"],
    [0.0035028, "0.0035"],
    [1080.54, "1,080.5"],
    [123_456.7, "123,457"],
    [-1.5, "-1.5"],
    [0, "0"],
  ])("%d reads %s", (value, text) => expect(figure(value)).toBe(text));

  it.each([
    [1, "policies", "1 policy"],
    [1, "replicas", "1 replica"],
    [2, "replicas", "2 replicas"],
    [1, "requests/s", "1 requests/s"],
    [1, "s", "1 s"],
    [5, "", "5"],
  ])("%d %s reads %s", (value, unit, text) => expect(quantity(value, unit)).toBe(text));

  it("says shares in percent and absence in words", () => {
    expect([percent(0.106), percent(-1), scalar(null), scalar(true)]).toEqual(["10.6 %", "-100 %", "none", "true"]);
  });
});

describe("tables", () => {
  it("are as wide as their widest cell, without blanks at the end", () => {
    expect(
      alignTable(
        [
          ["÷ a", "1", ""],
          ["b", "10", "x"],
        ],
        ["left", "right", "left"],
      ),
    ).toEqual(["÷ a   1", "b    10  x"]);
  });

  it("of Markdown keep their columns whatever a cell holds", () => {
    const cells = fc.array(fc.string(), { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(fc.array(cells), (rows) => {
        const lines = markdownTable(["a", "b"], rows, ["left", "right"]);
        for (const line of lines) expect(line.replace(/\\[\\|*_<>[\]#`]/g, "").match(/\|/g)).toHaveLength(3);
        expect(lines).toHaveLength(rows.length + 2);
      }),
    );
    expect(cell("a|b\n<c> max_connections")).toBe("a\\|b \\<c\\> max\\_connections");
  });

  it("wraps at blanks and loses no word", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }), (words) => {
        const lines = wrap(words.join(" "), 20);
        expect(lines.join(" ")).toBe(words.join(" "));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(20);
      }),
    );
  });
});

describe("pictures", () => {
  it.each([
    [10_360, 6, [0, 2000, 4000, 6000, 8000, 10_000]],
    [0.9, 6, [0, 0.2, 0.4, 0.6, 0.8]],
    [50, 5, [0, 10, 20, 30, 40, 50]],
  ])("ticks up to %d in about %d steps", (most, count, ticks) => expect(ticksTo(most, count)).toEqual(ticks));

  it("cannot be left by a text", () => {
    expect(escapeXml("</svg><script>'\"&\u0000\n")).toBe("&lt;/svg&gt;&lt;script&gt;&#39;&quot;&amp;");
  });
});
