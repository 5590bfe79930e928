/** TLS handshakes with upstreams that never end, or end with something else than TLS. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";

import type { Engine } from "../../../src/engine/engine.ts";
import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { respondWith } from "../../support/origin.ts";
import { RawClient, sendRequest } from "../../support/raw-client.ts";
import { until } from "../../support/wait.ts";
import { get, post } from "./fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];

/** A server whose port stays while its behaviour changes. */
async function startServer() {
  const open = new Set<Socket>();
  const tls = createTlsServer({ cert, key }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.write(respondWith("safe")));
  });
  tls.on("tlsClientError", () => {});
  const behaviour = { accept: (socket: Socket): void => void socket.resume() };
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    behaviour.accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    open,
    behaviour,
    safe: (socket: Socket) => void tls.emit("connection", socket),
    close() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

const timeouts = { connectMs: 300, headMs: 300 };

async function startBefore(engine: Engine, port: number, verify: boolean) {
  const set = await startEngine(engine, { ports: [port], retries: 0, timeouts });
  const [upstream] = set.pool.upstreams;
  const tls = { ca, serverName: "up.example", verify };
  if (upstream) Object.assign(upstream, { address: { ...upstream.address, protocol: "https", tls } });
  return set;
}

const openFiles = () => new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false });

describe.each([
  ["the wire engine on Bun's sockets", wireEngine, "connect_timeout"],
  ["the wire engine on node's sockets", denoEngine, "connect_timeout"],
  ["the fetch engine", fetchEngine, "head_timeout"],
] as const)("%s", (_, engine, reason) => {
  test.each([true, false])(
    "ends handshakes that never end, and uses the upstream at once when it is right (verify: %p)",
    async (verify) => {
      const server = await startServer();
      const set = await startBefore(engine, server.port, verify);
      const before = [...openFiles()].length;
      for (let round = 0; round < 2; round++) {
        const clients = await Promise.all(Array.from({ length: 12 }, () => RawClient.connect(set.port)));
        const responses = clients.map((client) => client.send(get()).readResponse());
        await until(() => server.open.size === 12, "the handshakes");
        const reasons = (await Promise.all(responses)).map((response) => [
          response.status,
          /details="(\w+)"/.exec(response.header("proxy-status") ?? "")?.[1],
        ]);
        expect(reasons).toEqual(Array.from({ length: 12 }, () => [504, reason]));
        await until(() => server.open.size === 0, "the end of the connections");
        for (const client of clients) client.destroy();
      }
      // Both sides of twelve connections would be 24 descriptors.
      await until(() => [...openFiles()].length <= before + 8, "the descriptors");
      server.behaviour.accept = server.safe;
      const response = await sendRequest(set.port, get());
      expect([response.status, response.body.toString()]).toEqual([200, "safe"]);
      set.close();
      server.close();
    },
  );

  test.each([true, false])(
    "a peer that speaks no TLS, or hangs up, fails the connect: nothing was sent (verify: %p)",
    async (verify) => {
      const server = await startServer();
      const set = await startBefore(engine, server.port, verify);
      const answers: ((socket: Socket) => void)[] = [
        (socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
        (socket) => void socket.once("data", () => socket.end()),
      ];
      for (const answer of answers) {
        server.behaviour.accept = answer;
        const { status } = await sendRequest(set.port, post("hello"));
        expect(status).toBe(502);
        await until(() => server.open.size === 0, "the end of the connection");
      }
      if (engine !== fetchEngine)
        expect(set.ended.map(({ outcome }) => outcome)).toMatchObject([
          { kind: "failure", phase: "connect" },
          { kind: "failure", phase: "connect" },
        ]);
      set.close();
      server.close();
    },
  );

  test("a client that leaves during the handshake leaves no connection behind", async () => {
    const server = await startServer();
    const set = await startBefore(engine, server.port, true);
    const client = await RawClient.connect(set.port);
    client.send(get());
    await until(() => server.open.size === 1, "the handshake");
    client.destroy();
    await until(() => server.open.size === 0, "the end of the connection");
    set.close();
    server.close();
  });
});
