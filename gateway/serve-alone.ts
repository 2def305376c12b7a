/** One process that serves by itself, without a supervisor. Part of the composition root. */
import { randomBytes } from "node:crypto";
import { encodeSettings, settingsFingerprint } from "../contract/setting-values.ts";
import { layFoundation } from "./foundation.ts";
import type { Serving } from "./main.ts";
import { announce, printReady } from "./ready.ts";
import { openRooms } from "./rooms.ts";
import { untilStopped } from "./stop.ts";
import { collectProcessMetrics, createMetrics } from "./telemetry/index.ts";

export async function serveAlone({
  loaded,
  json,
  firstRun,
  log,
  teardown,
  childEnvironment,
}: Serving): Promise<number> {
  const { settings, environment } = loaded;
  const foundation = await layFoundation(loaded, true, childEnvironment, log, teardown);
  const metrics = createMetrics();
  collectProcessMetrics(metrics);
  const rooms = await openRooms({
    settings,
    environment,
    foundation,
    log,
    teardown,
    metrics,
    workerId: `w${randomBytes(6).toString("hex")}`,
    fingerprint: settingsFingerprint(encodeSettings(settings)),
    isAlone: true,
    reusePort: false,
    withExample: settings.MCP_EXAMPLE_SERVER ?? firstRun,
    metricsText: () => metrics.render(),
  });
  await rooms.declare();
  const announcement = await announce(rooms, settings, foundation.secrets, firstRun);
  log.info("ready", {
    url: announcement.ready.url,
    database: foundation.database.isEmbedded ? "embedded" : "postgresql",
  });
  // Whoever reads the ready line may send a signal at once.
  const stopped = untilStopped(rooms, settings.SHUTDOWN_GRACE * 1000, log, teardown);
  printReady(announcement, json);
  return await stopped;
}
