import { describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { connect, type TLSSocket } from "node:tls";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../src/engine/wire/node.ts";
import { createListenerRules } from "../../../src/proxy/listener-rules.ts";
import type { CertificatePair } from "../../../src/tls/certificate-pair.ts";
import type { ClientCertificates } from "../../../src/tls/listener-tls.ts";
import { selfSigned } from "../../../src/tls/self-signed.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { type Origin, respondWith, startOrigin } from "../../support/origin.ts";
import { tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";

const wildcard = selfSigned("*.a.test", "wildcard");
const other = selfSigned("other.test", "other");
const [good, rogue, over] = [
  selfSigned("good.client", ""),
  selfSigned("rogue.client", ""),
  selfSigned("over.client", "", { days: -1 }),
];
const ca = good.cert + over.cert;

interface Scene {
  readonly port: number;
  readonly origin: Origin;
  readonly refusals: readonly string[];
  readonly refused: readonly string[];
}

interface Asked {
  readonly sni?: string;
  readonly host?: string;
  readonly pair?: CertificatePair;
  readonly fields?: string;
}

/** The status of a response; "refused" if the connection ends without one. */
async function ask(
  port: number,
  { sni = "x.a.test", host = sni, pair, fields = "" }: Asked,
): Promise<string> {
  const socket: TLSSocket = connect({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...(sni && { servername: sni }),
    ...(pair && { cert: pair.cert, key: pair.key }),
  });
  let received = "";
  let isOver = false;
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => (isOver = true));
  socket.on("close", () => (isOver = true));
  socket.on("secureConnect", () => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`));
  await until(() => isOver || received.includes("\r\n\r\n"), "a response");
  socket.destroy();
  return received === "" ? "refused" : (received.split(" ", 2)[1] ?? "");
}

describe.each([
  ["Bun", wireEngine],
  ["node's sockets", nodeEngine],
])("certificates of clients on %s", (_, engine) => {
  async function scene(
    clients: Omit<ClientCertificates, "ca"> | undefined,
    play: (scene: Scene) => Promise<void>,
    http2 = false,
  ): Promise<void> {
    const origin = await startOrigin((_request, socket) => void socket.write(respondWith("ok")));
    const clientCertificates = clients && { ...clients, ca };
    const { tls } = tlsWith([wildcard, other], { ...(clientCertificates && { clientCertificates }) });
    const refusals: string[] = [];
    const rules = createListenerRules({ checksConnection: true, isTrustedProxy: () => false });
    const set = await startEngine(engine, {
      ports: [origin.port],
      listener: { tls, http2, ...(rules && { rules }) },
      onHandshakeRefused: (reason) => void refusals.push(reason),
    });
    try {
      await play({ port: set.port, origin, refusals, refused: set.refused });
    } finally {
      set.close();
      await origin.close();
    }
  }

  const required = { verify: "required", forward: true } as const;

  test("that are required: only valid ones pass, whatever name is asked for", () =>
    scene(required, async ({ port, origin, refusals }) => {
      for (const sni of ["x.a.test", "other.test", "unknown.test", ""]) {
        const host = sni || "x.a.test";
        expect([sni, await ask(port, { sni, host, pair: good })]).toEqual([sni, "200"]);
        for (const pair of [undefined, rogue, over])
          expect([sni, await ask(port, { sni, host, ...(pair && { pair }) })]).toEqual([sni, "refused"]);
      }
      expect(origin.requests).toHaveLength(4);
      await until(() => refusals.filter((reason) => reason === "certificate").length === 12, "the refusals");
    }));

  test("that are optional: without one a client passes, with an invalid one it does not", () =>
    scene({ verify: "optional", forward: true }, async ({ port, origin }) => {
      expect(await ask(port, { pair: good })).toBe("200");
      expect(await ask(port, {})).toBe("200");
      expect(await ask(port, { pair: rogue })).toBe("refused");
      expect(await ask(port, { pair: over })).toBe("refused");
      const [with_, without] = origin.requests;
      expect(with_?.header("x-client-subject")).toBe("CN=good.client");
      expect(with_?.header("x-client-fingerprint")).toBe(good.fingerprint);
      const der = good.cert.replace(/-----.*-----|\s/g, "");
      expect(with_?.header("client-cert")).toBe(`:${der}:`);
      expect(without?.headers.filter(([name]) => /^(x-)?client-/i.test(name))).toEqual([]);
    }));

  const spoofed = [
    "Client-Cert: :AA==:",
    "client_cert_chain: :AA==:",
    "X-Client-Subject: CN=boss",
    "X_CLIENT-FINGERPRINT: aa",
  ]
    .map((line) => `${line}\r\n`)
    .join("");

  test("fields of clients about certificates end here, on every listener", async () => {
    await scene(undefined, async ({ port, origin }) => {
      expect(await ask(port, { fields: spoofed })).toBe("200");
      expect(origin.requests[0]?.headers.filter(([name]) => /client[-_]/i.test(name))).toEqual([]);
    });
    await scene({ verify: "required", forward: false }, async ({ port, origin }) => {
      expect(await ask(port, { fields: spoofed, pair: good })).toBe("200");
      expect(origin.requests[0]?.headers.filter(([name]) => /client[-_]/i.test(name))).toEqual([]);
    });
    await scene(required, async ({ port, origin }) => {
      expect(await ask(port, { fields: spoofed, pair: good })).toBe("200");
      expect(
        origin.requests[0]?.headers.filter(([name]) => /client[-_]/i.test(name)).map(([name]) => name),
      ).toEqual(["Client-Cert", "X-Client-Subject", "X-Client-Fingerprint"]);
    });
  });

  test("a request for another name than the connection's gets 421, unless the certificate is for both", () =>
    scene(required, async ({ port, refused, origin }) => {
      const pair = good;
      expect(await ask(port, { sni: "x.a.test", host: "y.a.test:8443", pair })).toBe("200");
      expect(await ask(port, { sni: "x.a.test", host: "X.A.Test.", pair })).toBe("200");
      expect(await ask(port, { sni: "x.a.test", host: "other.test", pair })).toBe("421");
      expect(await ask(port, { sni: "x.a.test", host: "x.y.a.test", pair })).toBe("421");
      expect(refused).toEqual(["misdirected", "misdirected"]);
      expect(origin.requests).toHaveLength(2);
    }));

  test("HTTP/1.1 without certificates of clients may name any host", () =>
    scene(undefined, async ({ port }) => {
      expect(await ask(port, { sni: "x.a.test", host: "other.test" })).toBe("200");
    }));

  const hosts = ["admin.a.test", "*.deep.a.test"];

  test("for some names only: others need none, and cannot be used for the names that do", () =>
    scene({ ...required, hosts }, async ({ port, origin }) => {
      expect(await ask(port, { sni: "x.a.test" })).toBe("200");
      expect(await ask(port, { sni: "x.a.test", pair: rogue })).toBe("200");
      expect(await ask(port, { sni: "admin.a.test" })).toBe("refused");
      expect(await ask(port, { sni: "ADMIN.a.test", pair: rogue })).toBe("refused");
      expect(await ask(port, { sni: "admin.a.test", pair: good })).toBe("200");
      for (const host of ["admin.a.test", "Admin.A.test:443", "admin.a.test."])
        expect([host, await ask(port, { sni: "x.a.test", host })]).toEqual([host, "421"]);
      expect(await ask(port, { sni: "", host: "admin.a.test" })).toBe("421");
      expect(await ask(port, { sni: "", host: "x.deep.a.test" })).toBe("421");
      expect(await ask(port, { sni: "", host: "x.a.test" })).toBe("200");
      expect(await ask(port, { sni: "admin.a.test", host: "x.a.test", pair: good })).toBe("421");
      const subjects = origin.requests.map(({ header }) => header("x-client-subject") ?? "-");
      expect(subjects).toEqual(["-", "-", "CN=good.client", "-"]);
    }));

  test("HTTP/2 requests carry the client's certificate too, and 421 without it for other names", async () => {
    const visit = (port: number, servername: string, hosts: readonly string[], pair?: CertificatePair) =>
      new Promise<readonly string[]>((resolve, reject) => {
        const session = connectHttp2(`https://127.0.0.1:${port}`, {
          servername,
          rejectUnauthorized: false,
          ...(pair && { cert: pair.cert, key: pair.key }),
        });
        session.on("error", reject);
        const statuses = hosts.map(
          (host) =>
            new Promise<string>((done) => {
              const stream = session.request({ ":path": "/", ":authority": host });
              stream.on("response", (headers) => done(String(headers[":status"])));
              stream.on("error", (error: Error) => done(error.message));
              stream.resume();
              stream.end();
            }),
        );
        void Promise.all(statuses).then((all) => {
          session.destroy();
          resolve(all);
        });
      });
    await scene(
      undefined,
      async ({ port }) => {
        const hosts = ["x.a.test", "y.a.test", "other.test", "x.a.test"];
        expect(await visit(port, "x.a.test", hosts)).toEqual(["200", "200", "421", "200"]);
      },
      true,
    );
    await scene(
      { ...required, hosts },
      async ({ port, origin }) => {
        expect(await visit(port, "x.a.test", ["x.a.test", "admin.a.test"])).toEqual(["200", "421"]);
        expect(await visit(port, "admin.a.test", ["admin.a.test", "x.a.test"], good)).toEqual(["200", "421"]);
        expect(origin.requests.map(({ header }) => header("x-client-subject") ?? "-")).toEqual([
          "-",
          "CN=good.client",
        ]);
      },
      true,
    );
  });
});
