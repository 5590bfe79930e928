import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectPlain, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";

import { wireEngine as bunEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../src/engine/wire/node.ts";
import { ListenerMeter } from "../../../src/metrics/listener-meter.ts";
import { type EngineFixture, startEngine } from "../../support/engine-fixture.ts";
import { respondWith, startOrigin, type Origin } from "../../support/origin.ts";
import { pairOf, tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";
import { get } from "./fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];
const line = Buffer.from("PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n");

interface Scene {
  readonly set: EngineFixture;
  readonly origin: Origin;
  readonly meter: ListenerMeter;
  /** A port whose connections reach the engine with a header in front. @param cut bytes of the header that come first */
  relay(header: Buffer, cut?: number): Promise<number>;
}

/** A TLS client behind this port. */
async function secure(port: number, ALPNProtocols: readonly string[] = ["http/1.1"]): Promise<TLSSocket> {
  const client = connect({
    port,
    host: "127.0.0.1",
    ca,
    servername: "up.example",
    ALPNProtocols: [...ALPNProtocols],
  });
  await new Promise<void>((resolve, reject) => {
    client.once("secureConnect", resolve);
    client.once("error", reject);
  });
  return client;
}

async function answerTo(client: TLSSocket, request: string): Promise<string> {
  let received = "";
  client.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  client.write(request);
  await until(() => received.includes("\r\n\r\nok") || client.destroyed, "a response");
  return received;
}

describe.each([
  ["Bun's sockets", bunEngine],
  ["node's sockets", nodeEngine],
] as const)("a PROXY header before TLS, on %s,", (_, engine) => {
  const play = async (
    scene: (scene: Scene) => Promise<void>,
    { isFrom = true, headMs = 3_000 }: { isFrom?: boolean; headMs?: number } = {},
  ) => {
    const meter = new ListenerMeter();
    const origin = await startOrigin((_request, socket) => void socket.write(respondWith("ok")));
    const set = await startEngine(engine, {
      listener: {
        tls: tlsWith([pairOf(cert, key)]).tls,
        http2: true,
        meter,
        proxyProtocol: { isFrom: () => isFrom, timeoutMs: 500 },
      },
      ports: [origin.port],
      clientTimeouts: { headMs },
    });
    const closers: (() => void)[] = [];
    const relay = async (header: Buffer, cut = header.length) => {
      const server = createServer((client) => {
        const engineSide = connectPlain(set.port, "127.0.0.1");
        const both: readonly Socket[] = [client, engineSide];
        for (const socket of both) {
          socket.on("error", () => both.forEach((one) => one.destroy()));
          socket.on("close", () => both.forEach((one) => one.destroy()));
          closers.push(() => socket.destroy());
        }
        if (cut > 0) engineSide.write(header.subarray(0, cut));
        let rest = header.subarray(cut);
        client.on("data", (chunk: Buffer) => {
          engineSide.write(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk);
          rest = header.subarray(0, 0);
        });
        engineSide.on("data", (chunk) => client.write(chunk));
      });
      closers.push(() => server.close());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      return typeof address === "object" && address ? address.port : 0;
    };
    try {
      await scene({ set, origin, meter, relay });
      expect(set.bugs).toEqual([]);
      for (const close of closers) close();
      await until(() => set.listener.active() === 0, "no request to be active");
    } finally {
      for (const close of closers) close();
      set.close();
      await origin.close();
    }
  };

  test(
    "names the client, wherever the bytes are cut",
    () =>
      play(async ({ origin, set, relay }) => {
        for (let cut = 0; cut <= line.length; cut += 3) {
          const client = await secure(await relay(line, cut));
          expect(await answerTo(client, get("/"))).toStartWith("HTTP/1.1 200");
          expect(origin.requests.at(-1)?.header("x-forwarded-for")).toBe("192.0.2.7");
          expect(origin.requests.at(-1)?.header("x-forwarded-proto")).toBe("https");
          client.destroy();
        }
        await until(() => set.records.length === 16, "the records");
        expect(set.records[0]).toMatchObject({
          clientAddress: "192.0.2.7",
          peerAddress: "127.0.0.1",
          scheme: "https",
          protocol: "http/1.1",
        });
      }),
    30_000,
  );

  test("goes before HTTP/2 too", () =>
    play(async ({ origin, set, relay }) => {
      const socket = await secure(await relay(line), ["h2"]);
      const session = connectHttp2("https://up.example", { createConnection: () => socket });
      const stream = session.request({ ":path": "/" });
      await new Promise((resolve) => stream.resume().on("end", resolve));
      session.destroy();
      expect(origin.requests[0]?.header("x-forwarded-for")).toBe("192.0.2.7");
      await until(() => set.records.length === 1, "the record");
      expect(set.records[0]?.protocol).toBe("h2");
    }));

  test("is needed, and what is no header is closed and counted", () =>
    play(async ({ set, meter, relay }) => {
      expect(
        await secure(set.port).then(
          () => "open",
          () => "refused",
        ),
      ).toBe("refused");
      expect(
        await secure(await relay(Buffer.from("PROXY TCP4 x\r\n"))).then(
          () => "open",
          () => "refused",
        ),
      ).toBe("refused");
      expect(meter.refused.get("proxy_header")).toBe(2);
      expect(await answerTo(await secure(await relay(line)), get("/"))).toContain("ok");
    }));

  test("is followed by a handshake in time, or the connection is closed", () =>
    play(
      async ({ set }) => {
        const closed = [
          Buffer.alloc(0),
          Buffer.from("1603010200010001fc0303", "hex"),
          Buffer.from(get("/")),
        ].map((rest) => {
          const state = { isClosed: false };
          const socket = connectPlain(set.port, "127.0.0.1", () => socket.write(Buffer.concat([line, rest])));
          socket.on("error", () => {});
          socket.on("data", () => {});
          socket.on("close", () => (state.isClosed = true));
          return state;
        });
        await until(() => closed.every(({ isClosed }) => isClosed), "the connections to be closed", 3_000);
        expect(set.records).toEqual([]);
      },
      { headMs: 400 },
    ));

  test("is not needed from others, whose handshake begins at once", () =>
    play(
      async ({ set, origin, meter, relay }) => {
        expect(await answerTo(await secure(set.port), get("/"))).toStartWith("HTTP/1.1 200");
        expect(origin.requests[0]?.header("x-forwarded-for")).toBe("127.0.0.1");
        expect(
          await secure(await relay(line)).then(
            () => "open",
            () => "refused",
          ),
        ).toBe("refused");
        expect(meter.refused.size).toBe(0);
      },
      { isFrom: false },
    ));

  test("changes nothing about the end of a connection", () =>
    play(async ({ relay }) => {
      const client = await secure(await relay(line));
      let isEnded = false;
      client.on("end", () => (isEnded = true));
      client.on("error", () => {});
      expect(await answerTo(client, get("/", "Connection: close\r\n"))).toContain("ok");
      await until(() => isEnded || client.destroyed, "the end of the connection");
      const left = await secure(await relay(line));
      expect(await answerTo(left, get("/"))).toContain("ok");
      left.destroy();
    }));
});
