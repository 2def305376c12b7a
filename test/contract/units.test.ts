import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatMiB, parseBytes, parseCores, QuantityError } from "../../contract/units.ts";

function refusal(read: () => unknown): { message: string; nearest: string | undefined } {
  try {
    read();
  } catch (error) {
    if (error instanceof QuantityError) return { message: error.message, nearest: error.nearest };
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("sizes", () => {
  it.each([
    ["512Mi", 536_870_912],
    ["512MiB", 536_870_912],
    ["4Gi", 4_294_967_296],
    ["4g", 4_000_000_000],
    ["1.5 KiB", 1536],
    ["64Ki", 65_536],
    ["100B", 100],
    ["2T", 2_000_000_000_000],
    ["3M", 3_000_000],
  ])("%s", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    [512, "512 has no unit: bytes or MiB?", "512Mi"],
    ["512", "512 has no unit: bytes or MiB?", "512Mi"],
    ["512m", "512m is a thousandth of a byte in Kubernetes", "512Mi"],
    ["4 Pi", '"4 Pi" has the unknown unit Pi', "4Mi"],
    ["-4Gi", '"-4Gi" is not a size such as 512Mi', undefined],
    ["lots", '"lots" is not a size such as 512Mi', undefined],
    ["", '"" is not a size such as 512Mi', undefined],
  ])("refuses %s", (text, message, nearest) => {
    expect(refusal(() => parseBytes(text))).toEqual({ message, nearest });
  });

  it("are read back as they were written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (mebibytes) => {
        expect(parseBytes(formatMiB(mebibytes)) / 1024 ** 2).toBe(mebibytes);
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("cores", () => {
  it.each([
    [2, 2],
    ["2", 2],
    ["0.5", 0.5],
    ["500m", 0.5],
    ["1500m", 1.5],
  ])("%s", (text, cores) => {
    expect(parseCores(text)).toBe(cores);
  });

  it.each(["2Gi", "-1", "", "one", "1e3", Number.POSITIVE_INFINITY])("refuses %s", (text) => {
    expect(refusal(() => parseCores(text)).message).toBe(
      `${JSON.stringify(text)} is not a number of cores such as 2, 0.5 or 500m`,
    );
  });
});
