import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import type { UpstreamTls } from "../../../src/net/address.ts";
import { respondWith } from "../../support/origin.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { pairOf, tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";
import { get, wireScene } from "./fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];

describe("TLS", () => {
  test("to clients: requests and responses pass, large ones too, and upstreams get the scheme", () => {
    const large = Buffer.alloc(3_000_000, "x");
    return wireScene(
      (request, socket) =>
        void socket.write(
          respondWith(request.target === "/large" ? large : (request.header("x-forwarded-proto") ?? "")),
        ),
      async ({ stage }) => {
        const socket: TLSSocket = connect({
          port: stage.port,
          host: "127.0.0.1",
          ca,
          servername: "up.example",
        });
        let received = "";
        socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
        await new Promise((resolve) => socket.once("secureConnect", resolve));
        socket.write(get());
        await until(() => received.endsWith("\r\n\r\nhttps"), "the scheme");
        received = "";
        socket.write(get("/large"));
        await until(
          () => received.endsWith("x".repeat(1_000)) && received.length > large.length,
          "the large response",
        );
        socket.destroy();
        await until(() => stage.listener.active() === 0);
      },
      { listener: { tls: tlsWith([pairOf(cert, key)]).tls } },
    );
  });

  test("a client without TLS reaches no upstream", () =>
    wireScene(
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ client, origin }) => {
        const one = await client();
        one.send(get());
        await until(() => one.isClosed);
        expect(origin.connections()).toBe(0);
      },
      { listener: { tls: tlsWith([pairOf(cert, key)]).tls } },
    ));

  test("to upstreams: certificates are verified unless verification is off", async () => {
    let connections = 0;
    const origin = createServer({ cert, key }, (socket) => {
      connections += 1;
      socket.on("error", () => {});
      socket.on("data", () => socket.write(respondWith("safe")));
    });
    origin.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
    const address = origin.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const statusWith = async (tls: UpstreamTls | undefined) => {
      const set = await startEngine(wireEngine, { ports: [port], retries: 0 });
      const upstream = set.pool.upstreams[0];
      if (upstream)
        Object.assign(upstream, { address: { ...upstream.address, protocol: "https", ...(tls && { tls }) } });
      const response = await sendRequest(set.port, get());
      set.close();
      return response.status;
    };
    expect(await statusWith(undefined)).toBe(502);
    expect(await statusWith({ verify: true, serverName: "other.example", ca })).toBe(502);
    expect(await statusWith({ verify: true, ca })).toBe(200);
    expect(await statusWith({ verify: true, ca, serverName: "up.example" })).toBe(200);
    expect(await statusWith({ verify: false })).toBe(200);
    expect(await statusWith({ verify: false, serverName: "other.example" })).toBe(200);
    expect(connections).toBeGreaterThanOrEqual(4);
    origin.close();
  });
});
