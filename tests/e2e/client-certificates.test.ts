import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";

import type { CertificatePair } from "../../src/tls/certificate-pair.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("client-certificates");
const deno = await findDeno();
const programs = new Programs();
afterAll(() => programs[Symbol.asyncDispose]());

const wildcard = selfSigned("*.a.test", "");
const [good, rogue] = [selfSigned("good.client", ""), selfSigned("rogue.client", "")];

function file(name: string, text: string): string {
  const path = inFolder(name);
  writeFileSync(path, text);
  return path;
}

interface Asked {
  readonly sni: string;
  readonly host?: string;
  readonly pair?: CertificatePair;
  /** Sent before the handshake. */
  readonly header?: string;
}

/** The last line of the response; "refused" if the connection ends without one. */
async function ask(port: number, { sni, host = sni, pair, header = "" }: Asked): Promise<string> {
  const plain = connectPlain(port, "127.0.0.1");
  plain.on("error", () => {});
  if (header) plain.write(header);
  const socket = connect({
    socket: plain,
    servername: sni,
    rejectUnauthorized: false,
    ...(pair && { cert: pair.cert, key: pair.key }),
  });
  let received = "";
  let isOver = false;
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => (isOver = true));
  plain.on("close", () => (isOver = true));
  socket.on("secureConnect", () => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
  await until(() => isOver || /\r\n\r\n./.test(received), "a response");
  socket.destroy();
  return received === "" ? "refused" : (received.trim().split("\n").at(-1) ?? "");
}

const source = [`${import.meta.dirname}/../../src/main.ts`];

describe.each([
  ["Bun", fromBuild],
  ["Deno", deno ? [deno, "run", "-A", ...source] : []],
] as const)("on %s", (name, command) => {
  test.skipIf(command.length === 0)(
    "clients show certificates for some names, also behind a PROXY header, and upstreams learn the subject",
    async () => {
      const origin = await startOrigin(
        ({ header }, socket) =>
          void socket.write(respondWith(`${header("x-client-subject") ?? "-"} ${header("x-forwarded-for")}`)),
      );
      const config = file(
        `${name}.yaml`,
        `certificates: [{ cert: ${file("a.crt", wildcard.cert)}, key: ${file("a.key", wildcard.key)} }]
listen:
  - name: direct
    host: 127.0.0.1
    port: 0
    tls: &tls { clientCertificates: { ca: ${file("ca.crt", good.cert)}, hosts: [admin.a.test], forward: true } }
  - { name: behind, host: 127.0.0.1, port: 0, tls: *tls, proxyProtocol: { from: [127.0.0.0/8] } }
admin: { port: 0 }
state: ":memory:"
pools: { main: { upstreams: [${origin.url}] } }\n`,
      );
      const proxy = programs.start([...command, "proxy", "--config", config]);
      const listeners = [
        { port: await proxy.port("balancer", 20_000), header: "", from: "127.0.0.1" },
        {
          port: await proxy.port("listener", 20_000),
          header: "PROXY TCP4 192.0.2.7 192.0.2.1 5 443\r\n",
          from: "192.0.2.7",
        },
      ];
      for (const { port, header, from } of listeners) {
        const on = (asked: Asked) => ask(port, { ...asked, header });
        expect(await on({ sni: "www.a.test" })).toBe(`- ${from}`);
        expect(await on({ sni: "admin.a.test" })).toBe("refused");
        expect(await on({ sni: "admin.a.test", pair: rogue })).toBe("refused");
        // Deno does not say whether a certificate is valid that came behind other bytes: none passes.
        const isUnjudged = name === "Deno" && header !== "";
        const passed = isUnjudged ? "refused" : `CN=good.client ${from}`;
        expect(await on({ sni: "admin.a.test", pair: good })).toBe(passed);
        expect(await on({ sni: "www.a.test", host: "admin.a.test" })).toStartWith("421 misdirected");
        expect(await on({ sni: "other.test" })).toBe("refused");
      }
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const metrics = await (await fetch(`${admin}/metrics`)).text();
      expect(metrics).toContain(
        `evenkeel_handshakes_refused_total{reason="certificate"} ${name === "Deno" ? 5 : 4}`,
      );
      expect(metrics).toContain('evenkeel_handshakes_refused_total{reason="name"} 2');
      await proxy.kill("SIGKILL");
      await origin.close();
    },
    30_000,
  );
});
