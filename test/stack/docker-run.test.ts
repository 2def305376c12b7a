/** One image, either engine: `docker run` with nothing but the environment says which serves, under the sources' names too. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { send, titled, waitFor } from "../harness/index.ts";
import { docker, givenNodeImage, missingEngine } from "./docker-stack.ts";

const ROOT = join(import.meta.dirname, "../..");
const reason = missingEngine();
const IMAGE = `mcp-stack-test/gateway-${process.pid}`;
const BUILD_MS = 600_000;
const START_MS = 180_000;

describe.skipIf(reason !== undefined)(titled("the image of the gateway", reason), () => {
  beforeAll(async () => {
    await docker("build", "--quiet", "--tag", IMAGE, "--build-arg", `NODE_IMAGE=${givenNodeImage()}`, ROOT);
  }, BUILD_MS);
  afterAll(async () => {
    await docker("image", "rm", "--force", IMAGE);
  });

  it.for([
    ["gunicorn", "fastify"],
    ["granian", "bounded"],
    ["fastify", "fastify"],
    ["bounded", "bounded"],
  ] as const)("serves with HTTP_SERVER=%s on %s", { timeout: START_MS + 60_000 }, async ([server, engine]) => {
    const name = `mcp-stack-test-${process.pid}-${server}`;
    const settings = { HTTP_SERVER: server, HOST: "0.0.0.0", DATA_DIR: "/tmp/data" };
    const environment = Object.entries(settings).flatMap(([key, value]) => ["--env", `${key}=${value}`]);
    await docker("run", "--detach", "--name", name, "--publish", "127.0.0.1::4444", ...environment, IMAGE);
    try {
      const url = `http://${(await docker("port", name, "4444/tcp")).trim().split("\n")[0]}`;
      const isHealthy = () =>
        send("GET", `${url}/health`, {}).then(
          ({ status }) => status === 200,
          () => false,
        );
      await waitFor(isHealthy, START_MS, "the gateway in the container");
      const token = await docker("exec", name, "node", "/app/cli/mcp-stack.js", "token", "--exp", "1");
      const { json } = await send("GET", `${url}/version`, { authorization: `Bearer ${token.trim()}` });
      expect(json().engine).toBe(engine);
      // PID 1 of the container: it hears the signal and drains.
      await docker("stop", "--time", "60", name);
      expect((await docker("inspect", "--format", "{{.State.ExitCode}}", name)).trim()).toBe("0");
    } finally {
      await docker("rm", "--force", name);
    }
  });
});
