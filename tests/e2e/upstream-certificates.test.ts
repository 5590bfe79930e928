import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";

import { engineNames } from "../../src/config/config.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";
import { findDeno } from "../support/deno.ts";
import { respondWith } from "../support/origin.ts";
import { temporaryFolder } from "../support/folder.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("upstream-certificates");
const deno = await findDeno();
const programs = new Programs();
afterAll(() => programs[Symbol.asyncDispose]());

const server = selfSigned("localhost", "");
const clients = { one: selfSigned("one.client", ""), two: selfSigned("two.client", "") };
const nameOf = new Map(Object.entries(clients).map(([name, { fingerprint }]) => [fingerprint, name]));

function file(name: string, text: string): string {
  const path = inFolder(name);
  writeFileSync(path, text);
  return path;
}

/** Responds with the name of the client's certificate; without one, it closes the connection. */
async function startServer() {
  const seen: string[] = [];
  const trusted = { ca: clients.one.cert + clients.two.cert, requestCert: true, rejectUnauthorized: true };
  const listener = createServer({ cert: server.cert, key: server.key, ...trusted }, (socket) => {
    const { fingerprint256 = "" } = socket.getPeerCertificate() as { readonly fingerprint256?: string };
    const name = nameOf.get(fingerprint256.replaceAll(":", "").toLowerCase()) ?? "unknown";
    socket.on("error", () => {});
    if (!socket.authorized) return void socket.destroy();
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (!received.endsWith("\r\n\r\n")) return;
      seen.push(`${received.split(" ", 2)[1]} ${name}`);
      const key = /^sec-websocket-key: (.*)\r$/im.exec(received)?.[1];
      received = "";
      if (key === undefined) return void socket.write(respondWith(name));
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const upgrade = "Upgrade: websocket\r\nConnection: Upgrade";
      socket.write(`HTTP/1.1 101 Switching\r\n${upgrade}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    });
  });
  listener.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  return { port, seen, close: () => listener.close() };
}

const source = [`${import.meta.dirname}/../../src/main.ts`];
const runtimes = [
  ["Bun", fromBuild],
  ["Deno", deno ? [deno, "run", "-A", ...source] : []],
] as const;

describe.each(
  runtimes.flatMap(([runtime, command]) => engineNames.map((engine) => ({ runtime, command, engine }))),
)("the $engine engine on $runtime", ({ runtime, command, engine }) => {
  test.skipIf(command.length === 0)(
    "shows its certificate to upstreams, for requests, WebSockets and probes, each pool its own",
    async () => {
      const origin = await startServer();
      const [one, two] = Object.entries(clients).map(
        ([name, { cert, key }]) => `cert: ${file(`${name}.crt`, cert)}, key: ${file(`${name}.key`, key)}`,
      );
      const ca = file("ca.crt", server.cert);
      const url = `https://localhost:${origin.port}`;
      const config = file(
        `${runtime}-${engine}.yaml`,
        `pools:
  one: { upstreamTls: { ca: ${ca}, ${one} }, probe: { path: /probe }, upstreams: [{ url: "${url}", name: a }] }
  two: { upstreamTls: { ca: ${ca}, ${one} }, upstreams: [{ url: "${url}", name: b, tls: { ${two} } }] }
  none: { upstreamTls: { ca: ${ca} }, retries: 0, upstreams: [{ url: "${url}", name: c }] }
routes: [{ host: two.test, pool: two }, { host: none.test, pool: none }, { pool: one }]\n`,
      );
      const listen = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", config];
      const proxy = programs.start([...command, "proxy", ...listen, "--engine", engine]);
      const port = await proxy.port("balancer", 20_000);
      await until(() => origin.seen.includes("/probe one"), "a probe");
      const answer = async (host: string) =>
        (await fetch(`http://127.0.0.1:${port}/page`, { headers: { host } })).text();
      for (let i = 0; i < 3; i++) {
        expect(await answer("one.test")).toBe("one");
        expect(await answer("two.test")).toBe("two");
      }
      expect(await answer("none.test")).toStartWith("502 ");
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`);
      await until(() => origin.seen.includes("/socket one"), "the WebSocket");
      socket.close();
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      for (const path of ["/api/snapshot", "/api/config", "/api/state", "/api/state/export", "/api/requests"])
        expect(await (await fetch(admin + path)).text()).not.toContain("PRIVATE");
      await proxy.kill("SIGKILL");
      origin.close();
    },
    30_000,
  );
});
