import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { pairOf, tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";
import { get } from "./fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];

/** The first half of a TLS client hello. */
const halfHello = Buffer.from("1603010200010001fc0303", "hex");

const sockets: Socket[] = [];
afterAll(() => void sockets.forEach((socket) => socket.destroy()));

/** A client that never finishes its handshake. */
function staller(port: number, says: Buffer) {
  const staller = { isOpen: false, isClosed: false };
  const socket = connectPlain(port, "127.0.0.1", () => {
    if (says.length > 0) socket.write(says);
    staller.isOpen = true;
  });
  socket.on("error", () => {});
  socket.on("data", () => {});
  socket.on("close", () => (staller.isClosed = true));
  sockets.push(socket);
  return staller;
}

async function askSecurely(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", ca, servername: "up.example" });
  sockets.push(socket);
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.on("secureConnect", () => socket.write(get()));
  await until(() => received.includes("\r\n\r\n") || socket.destroyed, "a response");
  return received;
}

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", denoEngine],
] as const)("a TLS handshake on %s", (_, { listen, name }) => {
  const play = async (
    options: { maxClients?: number; headMs: number },
    scene: (port: number) => Promise<void>,
  ) => {
    const { headMs, ...limit } = options;
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const set = await startEngine(
      { name, listen },
      {
        listener: { ...limit, tls: tlsWith([pairOf(cert, key)]).tls },
        ports: [origin.port],
        clientTimeouts: { headMs, keepAliveMs: 3_000 },
      },
    );
    try {
      await scene(set.port);
      await until(() => set.listener.active() === 0, "no request to be active");
    } finally {
      set.close();
      await origin.close();
    }
  };

  test("that does not finish is closed, whether it has started or not, and blocks no other client", () =>
    play({ headMs: 300 }, async (port) => {
      const stallers = [staller(port, Buffer.alloc(0)), staller(port, halfHello)];
      expect(await askSecurely(port)).toStartWith("HTTP/1.1 200");
      await until(() => stallers.every(({ isClosed }) => isClosed), "the connections to be closed", 2_500);
    }));

  test("is followed by the head timeout, and by the keep-alive timeout only between two requests", () =>
    play({ headMs: 300 }, async (port) => {
      const secured = async () => {
        const socket = connect({ port, host: "127.0.0.1", ca, servername: "up.example" });
        sockets.push(socket);
        const client = { socket, received: "", isEnded: false };
        socket.on("data", (chunk: Buffer) => (client.received += chunk.toString("latin1")));
        socket.on("end", () => (client.isEnded = true));
        await new Promise((resolve) => socket.once("secureConnect", resolve));
        return client;
      };
      const kept = await secured();
      kept.socket.write(get());
      await until(() => kept.received.startsWith("HTTP/1.1 200"), "a response");
      const silent = await secured();
      await until(() => silent.isEnded, "the silent client to be closed", 2_500);
      expect(silent.received).toBe("");
      kept.received = "";
      kept.socket.write(get());
      await until(() => kept.received.startsWith("HTTP/1.1 200"), "another response");
    }));
});

test("clients in a handshake count as clients; one too many gets its 503 after its own handshake", async () => {
  const listener = { maxClients: 2, tls: tlsWith([pairOf(cert, key)]).tls };
  const set = await startEngine(wireEngine, { ports: [9], listener, clientTimeouts: { headMs: 500 } });
  try {
    const stallers = [1, 2].map(() => staller(set.port, halfHello));
    await until(() => stallers.every(({ isOpen }) => isOpen), "two clients");
    expect(await askSecurely(set.port)).toMatch(/^HTTP\/1.1 503 [^]*too_many_clients/);
    await until(() => stallers.every(({ isClosed }) => isClosed), "their places to be released");
    expect(await askSecurely(set.port)).toStartWith("HTTP/1.1 502");
  } finally {
    set.close();
  }
});
