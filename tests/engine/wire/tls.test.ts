import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import type { UpstreamTls } from "../../../src/net/address.ts";
import { respondWith } from "../../support/origin.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { pairOf, tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";
import { get, wireScene } from "./fixture.ts";

/** RFC 5246 section 6.2.1. */
const recordTypes = { alert: 21, data: 23 };

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

  test("the last record before the end of the connection says that the stream is whole", () =>
    wireScene(
      (_, socket) => void socket.write(respondWith("ok")),
      async ({ stage }) => {
        // The client's library does not tell, and TLS 1.2 shows the type of a record.
        let sent = Buffer.alloc(0);
        const relay = createTcpServer((client) => {
          const server = connectTcp(stage.port, "127.0.0.1");
          server.on("data", (chunk: Buffer) => (sent = Buffer.concat([sent, chunk])));
          server.pipe(client).pipe(server);
          for (const socket of [client, server]) socket.on("error", () => {});
        });
        await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
        const { port } = relay.address() as AddressInfo;
        const maxVersion = "TLSv1.2" as const;
        const socket = connect({ port, host: "127.0.0.1", ca, servername: "up.example", maxVersion });
        const types = () => {
          const found: (number | undefined)[] = [];
          for (let at = 0; at + 5 <= sent.length; at += 5 + sent.readUInt16BE(at + 3)) found.push(sent[at]);
          return found;
        };
        await new Promise((resolve) => socket.once("secureConnect", resolve));
        socket.write(get());
        await until(() => types().at(-1) === recordTypes.data, "the response");
        // Closes the connection, which is idle.
        await stage.listener.drain();
        await until(() => types().at(-1) === recordTypes.alert, "the alert");
        socket.destroy();
        relay.close();
      },
      { listener: { tls: tlsWith([pairOf(cert, key)]).tls } },
    ));

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
