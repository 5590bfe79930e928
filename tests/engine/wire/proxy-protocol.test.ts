import { describe, expect, test } from "bun:test";
import { connect } from "node:http2";
import type { Socket } from "node:net";

import { ListenerMeter } from "../../../src/metrics/listener-meter.ts";
import { respondWith } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/wait.ts";
import { get, wireScene, type WireScene } from "./fixture.ts";

const line = "PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n";
const binary = Buffer.concat([
  Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"),
  Buffer.from("21210024", "hex"),
  Buffer.from(`20010db8${"0".repeat(23)}7`, "hex"),
  Buffer.from(`20010db8${"0".repeat(23)}8`, "hex"),
  Buffer.from("c35001bb", "hex"),
]);

const ok = (_: unknown, socket: Socket) => void socket.write(respondWith("ok"));

function behindProxies(
  play: (scene: WireScene, meter: ListenerMeter) => Promise<void>,
  options: { isFrom?: boolean; timeoutMs?: number; trusted?: string; maxClients?: number } = {},
) {
  const meter = new ListenerMeter();
  const { isFrom = true, timeoutMs = 2_000, trusted, maxClients } = options;
  return wireScene(ok, (scene) => play(scene, meter), {
    listener: {
      http2: true,
      meter,
      proxyProtocol: { isFrom: () => isFrom, timeoutMs },
      ...(maxClients !== undefined && { maxClients }),
    },
    isTrustedProxy: (address) => address === trusted,
  });
}

/** What the origin got of a request in these pieces. */
async function forwardedFor(
  scene: WireScene,
  ...pieces: readonly (string | Buffer)[]
): Promise<string | undefined> {
  const client = await scene.client();
  for (const piece of pieces) {
    client.send(piece);
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  const response = await client.readResponse();
  expect(response.status).toBe(200);
  return scene.origin.requests.at(-1)?.header("x-forwarded-for");
}

describe("behind a proxy that begins its connections with a PROXY header,", () => {
  for (const [name, header, address] of [
    ["version 1", Buffer.from(line), "192.0.2.7"],
    ["version 2", binary, "2001:db8::7"],
    ["version 1 without an address", Buffer.from("PROXY UNKNOWN\r\n"), "127.0.0.1"],
  ] as const) {
    test(
      `the client is the one of the header, wherever the bytes are cut: ${name}`,
      () =>
        behindProxies(async (scene, meter) => {
          const bytes = Buffer.concat([header, Buffer.from(get("/"))]);
          expect(await forwardedFor(scene, bytes)).toBe(address);
          for (let cut = 1; cut < bytes.length; cut++)
            expect(await forwardedFor(scene, bytes.subarray(0, cut), bytes.subarray(cut))).toBe(address);
          expect(await forwardedFor(scene, ...Array.from(bytes, (byte) => Buffer.of(byte)))).toBe(address);
          await until(() => scene.stage.records.length === bytes.length + 1, "all records");
          for (const { clientAddress, peerAddress } of scene.stage.records)
            expect([clientAddress, peerAddress]).toEqual([address, "127.0.0.1"]);
          expect(meter.refused.size).toBe(0);
        }),
      30_000,
    );
  }

  test("the connection is kept, and later requests have the same client", () =>
    behindProxies(async ({ client, origin, stage }) => {
      const one = await client();
      await one.send(line + get("/1") + get("/2")).readResponse();
      await one.readResponse();
      await one.send(get("/3")).readResponse();
      expect(origin.requests.map((request) => request.header("x-forwarded-for"))).toEqual(
        Array(3).fill("192.0.2.7"),
      );
      expect(stage.refused).toEqual([]);
    }));

  test("trusted proxies are asked about the client of the header", () =>
    behindProxies(
      async (scene) => {
        const request = get("/", "X-Forwarded-For: 203.0.113.9\r\n");
        expect(await forwardedFor(scene, line + request)).toBe("203.0.113.9, 192.0.2.7");
        expect(await forwardedFor(scene, "PROXY UNKNOWN\r\n" + request)).toBe("127.0.0.1");
        await until(() => scene.stage.records.length === 2, "the records");
        expect(scene.stage.records.map(({ clientAddress }) => clientAddress)).toEqual([
          "203.0.113.9",
          "127.0.0.1",
        ]);
      },
      { trusted: "192.0.2.7" },
    ));

  test("HTTP/2 with prior knowledge has the client of the header too", () =>
    behindProxies(async ({ stage, origin }) => {
      const socket = (await RawClient.connect(stage.port)).socket;
      socket.removeAllListeners("data");
      socket.write(line);
      const session = connect("http://shop.example", { createConnection: () => socket });
      for (const path of ["/1", "/2"]) {
        const stream = session.request({ ":path": path });
        await new Promise((resolve) => stream.resume().on("end", resolve));
      }
      session.destroy();
      expect(origin.requests.map((request) => request.header("x-forwarded-for"))).toEqual([
        "192.0.2.7",
        "192.0.2.7",
      ]);
      await until(() => stage.records.length === 2, "the records");
      expect(stage.records[0]).toMatchObject({ peerAddress: "127.0.0.1", protocol: "h2" });
    }));

  test("anything else is closed without a response, and counted", () =>
    behindProxies(async ({ client, stage, origin }, meter) => {
      const wrong = [get("/"), "PROXY TCP4 x y 1 2\r\n", "PROXY UNKNOWN\n", "\r\n\r\n\0\r\nQUIT\n\x31"];
      for (const bytes of wrong) {
        const one = await client();
        one.send(bytes);
        await until(() => one.isClosed, "the connection to be closed");
        expect(one.received.length).toBe(0);
      }
      expect(meter.refused.get("proxy_header")).toBe(wrong.length);
      expect([origin.requests.length, stage.records.length, stage.listener.active()]).toEqual([0, 0, 0]);
      const next = await client();
      expect((await next.send(line + get("/")).readResponse()).status).toBe(200);
    }));

  test("a header that does not arrive in time is closed and counted; one who leaves is not counted", () =>
    behindProxies(
      async ({ client }, meter) => {
        const [silent, slow, left] = [await client(), await client(), await client()];
        slow.send(line.slice(0, 20));
        left.send(line.slice(0, 20));
        left.socket.end();
        await until(() => left.isClosed, "the one who leaves to be closed");
        expect(meter.refused.size).toBe(0);
        await until(() => silent.isClosed && slow.isClosed, "both to be closed");
        expect(meter.refused.get("proxy_header")).toBe(2);
      },
      { timeoutMs: 300 },
    ));

  test("connections without their header count as clients", () =>
    behindProxies(
      async ({ client }) => {
        const silent = await client();
        await until(async () => {
          const one = await client();
          const { status } = await one.send(line + get("/")).readResponse();
          one.destroy();
          return status === 503;
        }, "the limit to be reached");
        silent.destroy();
        await until(async () => {
          const one = await client();
          const { status } = await one.send(line + get("/")).readResponse();
          one.destroy();
          return status === 200;
        }, "the place to be free");
      },
      { maxClients: 1 },
    ));

  test("a drain closes connections without their header", () =>
    behindProxies(async ({ client, stage }) => {
      const silent = await client();
      silent.send(line.slice(0, 10));
      const served = await client();
      await served.send(line + get("/")).readResponse();
      await stage.listener.drain();
      await until(() => silent.isClosed || silent.isEnded, "the connection to be closed");
    }));
});

test("from others a PROXY header is no request", () =>
  behindProxies(
    async ({ client, origin }, meter) => {
      const one = await client();
      expect((await one.send(line + get("/")).readResponse()).status).toBe(400);
      const two = await client();
      two.send(binary).send(get("/"));
      expect((await two.readResponse()).status).toBe(400);
      const three = await client();
      expect((await three.send(get("/")).readResponse()).status).toBe(200);
      expect(origin.requests.map((request) => request.header("x-forwarded-for"))).toEqual(["127.0.0.1"]);
      expect(meter.refused.size).toBe(0);
    },
    { isFrom: false },
  ));
