/** gRPC through the program: settings from a file, probes by the health service, workers, and Deno. */

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { runGrpcClient, startGrpcServer } from "../support/grpc/processes.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const root = join(import.meta.dirname, "../..");
const fixture = (name: string) => join(import.meta.dirname, "../engine/wire/certificates", name);
const [caFile, certFile, keyFile] = [fixture("authority.crt"), fixture("server.crt"), fixture("server.key")];

const inFolder = temporaryFolder("grpc");
const listen = ["--admin-port", "0"];

const fromSourceOnDeno = async () => {
  const deno = await findDeno();
  return deno === "" ? undefined : [deno, "run", "-A", "--unstable-net", join(root, "src/main.ts")];
};

describe("gRPC through the program", () => {
  test.each<
    readonly [name: string, command: () => Promise<readonly string[] | undefined>, flags: readonly string[]]
  >([
    ["on Bun", async () => fromBuild, []],
    ["with two workers", async () => fromBuild, ["--workers", "2"]],
    ["on Deno", fromSourceOnDeno, []],
  ])(
    "%s: all kinds of calls pass over TLS, to the server that is healthy",
    async (name, find, flags) => {
      const command = await find();
      if (!command) return;
      await using programs = new Programs();
      const [up, alsoUp] = [await startGrpcServer([certFile, keyFile]), await startGrpcServer()];
      const config = inFolder(`${name.replace(/ /g, "-")}.yaml`);
      const tls = `{ ca: ${caFile}, serverName: up.example }`;
      writeFileSync(
        config,
        [
          `listen: { host: 127.0.0.1, port: 0, protocols: [http1, http2], tls: { cert: ${certFile}, key: ${keyFile} } }`,
          "pools:",
          "  healthy:",
          "    http2: true",
          "    probe: { grpc: echo.Echo }",
          `    upstreamTls: ${tls}`,
          `    upstreams: ["https://127.0.0.1:${up.port};name=up"]`,
          "  down:",
          "    http2: true",
          "    probe: { grpc: echo.Down }",
          `    upstreams: ["http://127.0.0.1:${alsoUp.port};name=down"]`,
        ].join("\n"),
      );
      const proxy = programs.start([...command, "proxy", ...listen, "--config", config, ...flags]);
      const port = await proxy.port("balancer", 20_000);
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const upstreams = async () =>
        ((await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot).pools.flatMap(
          (pool) => pool.upstreams,
        );
      await until(async () => (await upstreams()).every(({ lastProbe }) => lastProbe), "the probes", 10_000);
      expect((await upstreams()).map(({ id, status, lastProbe }) => [id, status, lastProbe?.detail])).toEqual(
        [
          ["up", "passing", "SERVING"],
          ["down", "failing", "NOT_SERVING"],
        ],
      );
      const results = await runGrpcClient(port, [caFile, "up.example"]);
      expect(results).toMatchObject({
        unary: "hello",
        trailers: ["last"],
        largeBytes: 5 * 1_048_576,
        deadline: 4,
        lockstep: [0, 100],
        cancelled: 1,
        manyAtOnce: 300,
      });
      await until(
        async () => (await upstreams()).every(({ inFlight }) => inFlight === 0),
        "no call to be left",
      );
      expect((await proxy.kill("SIGTERM")).code).toBe(0);
      await Promise.all([up.close(), alsoUp.close()]);
    },
    120_000,
  );
});
