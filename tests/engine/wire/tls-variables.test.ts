import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:tls";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../src/engine/wire/node.ts";
import { selfSigned } from "../../../src/tls/self-signed.ts";
import { configuredRoutes } from "../../support/configured-routes.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";

const server = selfSigned("a.test", "server");
const client = selfSigned("ann.client", "");

const set = {
  "X-Sni": "${tls.sni}",
  "X-Version": "${tls.version}",
  "X-Subject": "${tls.subject}",
  "X-Sans": "${tls.sans}",
  "X-Serial": "${tls.serial}",
  "X-Fingerprint": "${tls.fingerprint}",
  "X-Certificate": "${tls.certificate}",
};

/** What the upstream gets in the fields above. @param isShown whether the client shows its certificate */
async function fieldsAt(engine: typeof wireEngine, isShown: boolean, http2 = false) {
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const { tls } = tlsWith([server], {
    ...(isShown && { clientCertificates: { ca: client.cert, verify: "required" as const, forward: false } }),
  });
  const routes = configuredRoutes([{ requestHeaders: { set }, pool: "main" }]);
  const fixture = await startEngine(engine, { ports: [origin.port], listener: { tls, http2 }, routes });
  const options = {
    ...{ servername: "A.test", rejectUnauthorized: false, maxVersion: "TLSv1.2" as const },
    ...(isShown && { cert: client.cert, key: client.key }),
  };
  try {
    if (http2) {
      const session = connectHttp2(`https://127.0.0.1:${fixture.port}`, options);
      const stream = session.request({ ":path": "/", ":authority": "a.test", "x-subject": "spoofed" });
      stream.resume();
      await until(() => origin.requests.length === 1, "the request");
      session.destroy();
    } else {
      const socket = connect({ port: fixture.port, host: "127.0.0.1", ...options });
      socket.write("GET / HTTP/1.1\r\nHost: a.test\r\nX-Subject: spoofed\r\nX_Sans: spoofed\r\n\r\n");
      await until(() => origin.requests.length === 1, "the request");
      socket.destroy();
    }
    const received = origin.requests[0];
    return Object.keys(set).map((name) => received?.header(name));
  } finally {
    fixture.close();
    await origin.close();
  }
}

test.each([
  ["Bun", wireEngine, false],
  ["node's sockets", nodeEngine, false],
  ["Bun, over HTTP/2", wireEngine, true],
] as const)("what the TLS handshake says is in variables on %s", async (_, engine, http2) => {
  expect(await fieldsAt(engine, false, http2)).toEqual([
    "a.test",
    "TLSv1.2",
    ...Array<undefined>(5).fill(undefined),
  ]);
  const { raw, serialNumber } = new X509Certificate(client.cert);
  const [sni, version, subject, sans, serial, fingerprint, certificate] = await fieldsAt(engine, true, http2);
  expect([sni, version, subject, sans]).toEqual(["a.test", "TLSv1.2", "CN=ann.client", "DNS:ann.client"]);
  expect(serial?.replace(/^0+/, "")).toBe(serialNumber.toLowerCase().replace(/^0+/, ""));
  expect(fingerprint).toMatch(/^[\da-f]{64}$/);
  expect(certificate).toBe(`:${raw.toString("base64")}:`);
});
