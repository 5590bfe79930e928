/** HTTP/2 to upstreams over TLS: the handshake selects it, or nothing is sent. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import type { UpstreamTls } from "../../../../src/net/address.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { startHttp2Server } from "../../../support/http2-server.ts";
import { sendRequest } from "../../../support/raw-client.ts";
import { post } from "../fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "..", "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];

const verified: UpstreamTls = { ca, serverName: "up.example", verify: true };
const unverified: UpstreamTls = { verify: false };

const details = (header: string | undefined) => /details="([^"]*)"/.exec(header ?? "")?.[1];

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("HTTP/2 to upstreams over TLS on %s", (_, engine) => {
  test.each([
    ["a verified certificate", verified],
    ["any certificate", unverified],
  ])("passes requests with %s", async (__, tls) => {
    const server = await startHttp2Server({
      tls: { cert, key },
      onRequest: (request) => request.respond([[":status", "200"]], request.field(":scheme") ?? ""),
    });
    const address = { http2: true, protocol: "https" as const, tls };
    const fixture = await startEngine(engine, { ports: [server.port], address });
    try {
      for (let i = 0; i < 3; i++)
        expect((await sendRequest(fixture.port, post("x"))).body.toString()).toBe("https");
      expect(server.connections.length).toBe(1);
    } finally {
      fixture.close();
      await server.close();
    }
  });

  test.each<readonly [name: string, tls: UpstreamTls, protocols: string[] | undefined]>([
    ["selects HTTP/1.1", verified, ["http/1.1"]],
    ["selects HTTP/1.1, with any certificate", unverified, ["http/1.1"]],
    ["does not know ALPN", verified, undefined],
    ["does not know ALPN, with any certificate", unverified, undefined],
  ])("sends nothing to a server that %s", async (__, tls, protocols) => {
    let bytes = 0;
    const open = new Set<TLSSocket>();
    const server = createServer({ cert, key, ...(protocols && { ALPNProtocols: protocols }) }, (socket) => {
      open.add(socket);
      socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
      socket.on("error", () => {});
      socket.on("close", () => open.delete(socket));
    });
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const at = server.address();
    const port = typeof at === "object" && at ? at.port : 0;
    const address = { http2: true, protocol: "https" as const, tls };
    const fixture = await startEngine(engine, { ports: [port], address, retries: 0 });
    try {
      const response = await sendRequest(fixture.port, post("x"));
      expect([response.status, details(response.header("proxy-status"))]).toEqual([502, "connect_refused"]);
      const [ended] = fixture.ended;
      expect(ended?.outcome).toEqual({
        kind: "failure",
        phase: "connect",
        reason: "connect_refused",
        detail: "the server does not speak HTTP/2",
      });
      expect(bytes).toBe(0);
    } finally {
      fixture.close();
      for (const socket of open) socket.destroy();
      server.close();
    }
  });
});
