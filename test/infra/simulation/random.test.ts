import { describe, expect, it } from "vitest";
import { drawTime, Random, randomOf, type Spread, splitMix64 } from "../../../infra/simulation/random.ts";

describe("random numbers", () => {
  it("are those of the reference implementation of xoshiro128**", () => {
    const random = new Random([1, 2, 3, 4]);
    expect(Array.from({ length: 10 }, () => random.word())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it("are seeded by SplitMix64 as published", () => {
    expect(splitMix64(1234567n, 5)).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ]);
    const words = ([first = 0n, second = 0n]: readonly bigint[]) =>
      [Number(first & 0xffffffffn), Number(first >> 32n), Number(second & 0xffffffffn), Number(second >> 32n)] as const;
    expect(randomOf(1234567).word()).toBe(new Random([...words(splitMix64(1234567n, 2))]).word());
  });

  it("split into streams 2^64 draws apart, by the reference implementation's jump", () => {
    const random = new Random([1, 2, 3, 4]);
    const here = random.split();
    expect([here.word(), here.word(), here.word()]).toEqual([11520, 0, 5927040]);
    expect(Array.from({ length: 4 }, () => random.word())).toEqual([1194304935, 745561276, 25819468, 3320478005]);
  });

  it.each<[Spread, number]>([
    ["exponential", 1],
    ["deterministic", 0],
    ["lognormal", 1],
  ])("a %s time has mean 1 and variance %d", (spread, variance) => {
    const random = randomOf(7);
    const times = Array.from({ length: 400_000 }, () => drawTime(random, spread));
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
    expect(mean).toBeCloseTo(1, 2);
    expect(times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / times.length).toBeCloseTo(variance, 1);
  });

  it("stay within their range", () => {
    const random = randomOf(1);
    const shares = Array.from({ length: 10_000 }, () => random.share());
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(Math.max(...shares)).toBeLessThan(1);
    const faces = Array.from({ length: 60_000 }, () => random.below(6));
    for (let face = 0; face < 6; face += 1)
      expect(faces.filter((one) => one === face).length / 10_000).toBeCloseTo(1, 1);
  });
});
