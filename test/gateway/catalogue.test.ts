/** How a process learns which version of the catalogue is the newest. */
import { afterEach, describe, expect, it } from "vitest";
import { type CatalogueWatch, watchCatalogue } from "../../gateway/catalogue.ts";
import { memoryState } from "../../gateway/coordination/index.ts";
import type { CatalogueSnapshot } from "../../gateway/store/index.ts";
import { waitFor } from "../harness/index.ts";
import { silentLog } from "./coordination/log.ts";

const snapshotOf = (version: number): CatalogueSnapshot => ({ version, gateways: [], servers: [], items: [] });

describe("watchCatalogue", () => {
  let watch: CatalogueWatch | undefined;
  afterEach(() => watch?.close());

  /** A database whose answers wait until they are let go. */
  async function watching() {
    const state = memoryState();
    const asked: ((version: number) => void)[] = [];
    const federation = {
      version: 5,
      replace(snapshot: CatalogueSnapshot) {
        federation.version = snapshot.version;
        return [];
      },
    };
    const store = {
      loadSnapshot: () => new Promise<CatalogueSnapshot>((resolve) => asked.push((v) => resolve(snapshotOf(v)))),
      catalogueVersion: async () => federation.version,
    };
    const conversations = { catalogueChanged: () => undefined };
    watch = await watchCatalogue(store, state, federation, conversations, silentLog);
    return {
      watch,
      state,
      federation,
      answer: async (version: number) => (await waitFor(() => asked.shift()))(version),
    };
  }

  it("names a version that it was told of before it has loaded it", async () => {
    const { watch, state, federation, answer } = await watching();
    expect(watch.version).toBe(5);
    await state.publish("catalogue", "9");
    await waitFor(() => watch.version === 9);
    expect(federation.version).toBe(5);
    await answer(9);
    await waitFor(() => federation.version === 9);
    expect(watch.version).toBe(9);
  });

  it("is told of its own changes when they are loaded, and believes no older message", async () => {
    const { watch, state, answer } = await watching();
    const changed = watch.changed();
    await answer(6);
    await changed;
    expect(watch.version).toBe(6);
    for (const message of ["3", "nonsense"]) {
      await state.publish("catalogue", message);
      await answer(6);
      expect(watch.version).toBe(6);
    }
  });

  it("counts from an older state again where the database was set back to one", async () => {
    const { watch, state, federation, answer } = await watching();
    await state.publish("catalogue", "9");
    await answer(2);
    await waitFor(() => federation.version === 2);
    await waitFor(() => watch.version === 2);
  });
});
