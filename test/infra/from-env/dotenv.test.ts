// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of files are written so
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDotenv } from "../../../infra/from-env/dotenv.ts";

const values = (text: string) => readDotenv(text).assignments.map(({ name, value, line }) => [name, value, line]);

describe(".env", () => {
  it("reads plain values, comments, blank lines, export, blanks around = and Windows line ends", () => {
    const text = "\uFEFF# a comment\r\n\r\nA=1\r\n  export B = two words # said\r\nC=\r\nD=a#b\r\n";
    expect(values(text)).toEqual([
      ["A", "1", 3],
      ["B", "two words", 4],
      ["C", "", 5],
      ["D", "a#b", 6],
    ]);
  });

  it("reads quotes: single as they are, double with escapes, both over several lines", () => {
    const text = `A='it''s'\nA='$X #1\\n'\nB="tab\\t\\"q\\" \\\\ \\$X" # said\nC="one\ntwo"\nD=\`x'y"\`\nE="#"`;
    expect(readDotenv(text)).toEqual({
      form: "env",
      assignments: [
        { name: "A", value: "$X #1\\n", line: 2, role: "gateway", kind: "environment" },
        { name: "B", value: 'tab\t"q" \\ $X', line: 3, role: "gateway", kind: "environment" },
        { name: "C", value: "one\ntwo", line: 4, role: "gateway", kind: "environment" },
        { name: "D", value: "x'y\"", line: 6, role: "gateway", kind: "environment" },
        { name: "E", value: "#", line: 7, role: "gateway", kind: "environment" },
      ],
      problems: [{ line: 1, message: "something stands behind the closing quote" }],
      notes: [],
      services: new Set(),
    });
  });

  it("fills variables from earlier names, with defaults", () => {
    expect(values("A=1\nB=${A}-$A\nC=${NOPE:-d}\nD=\"${A:+set}${NOPE:+not}\"\nE='${A}'\nF=${NOPE:-${A}}")).toEqual([
      ["A", "1", 1],
      ["B", "1-1", 2],
      ["C", "d", 3],
      ["D", "set", 4],
      ["E", "${A}", 5],
      ["F", "1", 6],
    ]);
  });

  it("takes the last of two values and says so", () => {
    const { assignments, notes } = readDotenv("A=1\nB=2\nA=3\n");
    expect(assignments.map(({ name, value }) => [name, value])).toEqual([
      ["A", "3"],
      ["B", "2"],
    ]);
    expect(notes).toEqual(["lines 1 and 3 set the same name; the last one counts"]);
  });

  it("says by line what it cannot read, and reads on", () => {
    const { assignments, problems } = readDotenv('A=1\n???\nJUST_A_NAME\nB="open\nC=${\nD=4\n=5\nE=${X!}\n');
    expect(problems).toEqual([
      { line: 2, message: "neither a comment nor NAME=value" },
      { line: 3, message: "a name without = and value" },
      { line: 4, message: "a quote is opened and never closed" },
      { line: 5, message: "a dollar and a brace are not followed by a name" },
      { line: 7, message: "neither a comment nor NAME=value" },
      { line: 8, message: "a name in braces is followed by neither } nor an operator" },
    ]);
    expect(assignments.map(({ name, value }) => [name, value])).toEqual([
      ["A", "1"],
      ["C", ""],
      ["D", "4"],
      ["E", ""],
    ]);
  });

  it("reads back whatever is written in single quotes", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("'"));
    fc.assert(
      fc.property(value, (text) => {
        expect(values(`A='${text}'\nB=1`)).toEqual([
          ["A", text, 1],
          ["B", "1", 1 + text.split("\n").length],
        ]);
      }),
      { numRuns: 300 },
    );
  });
});
