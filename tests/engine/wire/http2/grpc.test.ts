/** gRPC through the engine: the real library on both sides, over TLS and without. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { callGrpc, runGrpcClient, startGrpcServer } from "../../../support/grpc/processes.ts";
import { startOrigin } from "../../../support/origin.ts";
import { pairOf, tlsWith } from "../../../support/tls-certificates.ts";
import { until } from "../../../support/wait.ts";

const file = (name: string) => join(import.meta.dirname, "..", "certificates", name);
const pem = (name: string) => readFileSync(file(name), "utf8");
const [certFile, keyFile, caFile] = [file("server.crt"), file("server.key"), file("authority.crt")];

const megabyte = 1_048_576;

// Each side of each kind of socket comes with TLS and without: the sides do not know of each other.
describe.each([
  [
    "Bun's sockets",
    wireEngine,
    [
      ["without TLS", false, false],
      ["with TLS on both sides", true, true],
    ],
  ],
  [
    "node's sockets",
    nodeEngine,
    [
      ["with TLS to clients", true, false],
      ["with TLS to upstreams", false, true],
    ],
  ],
] as const)("gRPC on the wire engine with %s", (_, engine, sides) => {
  test.each([...sides])(
    "all kinds of calls pass %s",
    async (__, toClients, toUpstreams) => {
      const server = await startGrpcServer(toUpstreams ? [certFile, keyFile] : []);
      const tls = { ca: pem("authority.crt"), serverName: "up.example", verify: true };
      const fixture = await startEngine(engine, {
        ports: [server.port],
        retries: 0,
        timeouts: { connectMs: 20_000, headMs: 20_000 },
        address: { http2: true, ...(toUpstreams && { protocol: "https", tls }) },
        listener: {
          http2: true,
          ...(toClients && { tls: tlsWith([pairOf(pem("server.crt"), pem("server.key"))]).tls }),
        },
      });
      try {
        const results = await runGrpcClient(fixture.port, toClients ? [caFile, "up.example"] : []);
        expect(results).toEqual({
          unary: "hello",
          metadata: ["yes"],
          trailers: ["last"],
          largeBytes: 5 * megabyte,
          failure: [9, "no: 50 % é\nend"],
          failureDetail: [0, 1, 254, 255],
          deadline: 4,
          clientStream: [null, 3_000_000, 289],
          serverStream: [0, 2_000, true],
          lockstep: [0, 100],
          cancelled: 1,
          manyAtOnce: 300,
        });
        expect(fixture.bugs).toEqual([]);
        await until(() => fixture.listener.active() === 0, "no request to be left");
        await until(async () => (await server.counts()).open === 0, "no call to be left on the server");
        expect((await server.counts()).calls).toBe(308);
        expect(fixture.pool.upstreams.map(({ inFlight }) => inFlight)).toEqual([0]);
      } finally {
        fixture.close();
        await server.close();
      }
    },
    60_000,
  );

  test("refusals of the balancer are statuses of gRPC", async () => {
    const server = await startGrpcServer();
    const address = { http2: true };
    const listener = { http2: true };
    const timeouts = { headMs: 300 };
    const options = { retries: 0, address, listener, timeouts };
    const fixture = await startEngine(engine, {
      ...options,
      ports: [server.port],
      destination: { maxRequestBodyBytes: 1_000 },
    });
    const dead = await startEngine(engine, { ...options, ports: [await freePort()] });
    const routes = [{ host: "shop.example" }];
    const elsewhere = await startEngine(engine, { ...options, ports: [server.port], routes });
    try {
      expect(await callGrpc(fixture.port, "Unary")).toEqual([0, ""]);
      expect(await callGrpc(fixture.port, "Wait", { number: 5_000 })).toEqual([
        4,
        "The upstream did not respond in time.",
      ]);
      expect(await callGrpc(fixture.port, "Unary", { bytes: 100_000 })).toEqual([
        8,
        "The request is too large.",
      ]);
      expect(await callGrpc(dead.port, "Unary")).toEqual([14, "The upstream refused the connection."]);
      expect(await callGrpc(elsewhere.port, "Unary")).toEqual([12, "No route matches this host and path."]);
      expect(fixture.records.map(({ status }) => status)).toEqual([200, 504, 413]);
      expect([...fixture.bugs, ...dead.bugs, ...elsewhere.bugs]).toEqual([]);
    } finally {
      for (const one of [fixture, dead, elsewhere]) one.close();
      await server.close();
    }
  }, 30_000);
});

/** A port on which nothing listens. */
async function freePort(): Promise<number> {
  const origin = await startOrigin(() => {});
  await origin.close();
  return origin.port;
}
