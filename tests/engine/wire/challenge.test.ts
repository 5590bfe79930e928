import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect as connectPlain } from "node:net";
import { Duplex } from "node:stream";
import { connect, type ConnectionOptions } from "node:tls";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { selfSigned } from "../../../src/tls/self-signed.ts";
import { checkTlsChallenge } from "../../support/acme-validation.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { sendRequest } from "../../support/raw-client.ts";
import { tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";

const usual = selfSigned("a.test", "a");
const keyAuthorization = "token.thumbprint";
const acmeDigest = createHash("sha256").update(keyAuthorization).digest();
const challenge = selfSigned("a.test", "challenge", { acmeDigest });

async function scene(
  play: (scene: {
    port: number;
    store: ReturnType<typeof tlsWith>["store"];
    refusals: string[];
    open: () => number;
  }) => Promise<void>,
) {
  const origin = await startOrigin((_request, socket) => void socket.write(respondWith("ok")));
  const { store, tls } = tlsWith([usual], { answersChallenges: true });
  const refusals: string[] = [];
  const set = await startEngine(wireEngine, {
    ports: [origin.port],
    listener: { tls, http2: true },
    clientTimeouts: { headMs: 400 },
    onHandshakeRefused: (reason) => void refusals.push(reason),
  });
  try {
    await play({ port: set.port, store, refusals, open: () => origin.open() });
  } finally {
    set.close();
    await origin.close();
  }
}

/** Passes on what is written in pieces of this many bytes, each in a packet of its own. */
function inPieces(port: number, size: number): Duplex {
  const raw = connectPlain({ port, host: "127.0.0.1", noDelay: true });
  const stream = new Duplex({
    read() {},
    async write(chunk: Buffer, _, done) {
      for (let at = 0; at < chunk.length; at += size) {
        await new Promise((sent) => raw.write(chunk.subarray(at, at + size), sent));
        await new Promise((resolve) => setImmediate(resolve));
      }
      done();
    },
    final: (done) => void raw.end(done),
  });
  raw.on("data", (chunk: Buffer) => void stream.push(chunk));
  raw.on("end", () => void stream.push(null));
  raw.on("error", (error) => stream.destroy(error));
  return stream;
}

/** "a.test h2" of a successful handshake. */
function handshake(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = connect({
      host: "127.0.0.1",
      rejectUnauthorized: false,
      servername: "a.test",
      ...options,
    });
    client.once("error", reject);
    client.once("secureConnect", () => {
      const { fingerprint256 } = client.getPeerCertificate();
      const shown = fingerprint256.replaceAll(":", "").toLowerCase();
      resolve(`${shown === usual.fingerprint ? "usual" : "challenge"} ${String(client.alpnProtocol)}`);
      client.destroy();
    });
  });
}

describe("a listener that answers tls-alpn-01", () => {
  test("shows the certificate of a challenge only for its protocol and name, and only while it is open", () =>
    scene(async ({ port, store }) => {
      const checked = () => checkTlsChallenge({ name: "a.test", port, keyAuthorization });
      expect(await checked()).toContain("cannot connect");
      store.setChallenge("a.test", challenge);
      expect(await checked()).toBeUndefined();
      expect(await checkTlsChallenge({ name: "b.test", port, keyAuthorization })).toContain("cannot connect");
      expect(await handshake({ port, ALPNProtocols: ["h2", "http/1.1"] })).toBe("usual h2");
      expect(await handshake({ port, ALPNProtocols: ["http/1.1"] })).toBe("usual http/1.1");
      expect(await handshake({ port })).toBe("usual false");
      store.setChallenge("a.test", undefined);
      expect(await checked()).toContain("cannot connect");
    }));

  test("ends such a connection after the handshake, whatever follows", () =>
    scene(async ({ port, store, open }) => {
      store.setChallenge("a.test", challenge);
      const client = connect({
        port,
        host: "127.0.0.1",
        servername: "a.test",
        rejectUnauthorized: false,
        ALPNProtocols: ["acme-tls/1"],
      });
      const ended = new Promise((resolve) => client.once("close", resolve));
      client.on("error", () => {});
      client.once("secureConnect", () => client.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
      let received = "";
      client.on("data", (chunk: Buffer) => (received += chunk.toString()));
      await ended;
      expect([received, open()]).toEqual(["", 0]);
    }));

  test.each([1, 7, 100])("reads a handshake in pieces of %d bytes", (size) =>
    scene(async ({ port, store }) => {
      store.setChallenge("a.test", challenge);
      expect(await handshake({ socket: inPieces(port, size), ALPNProtocols: ["acme-tls/1"] })).toBe(
        "challenge acme-tls/1",
      );
      expect(await handshake({ socket: inPieces(port, size), ALPNProtocols: ["h2"] })).toBe("usual h2");
    }),
  );

  test("serves requests, answers plain HTTP with words, and waits for no handshake for ever", () =>
    scene(async ({ port, refusals }) => {
      const response = await fetch(`https://127.0.0.1:${port}/`, { tls: { rejectUnauthorized: false } });
      expect(await response.text()).toBe("ok");
      expect((await sendRequest(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(400);
      const silent = connectPlain({ port, host: "127.0.0.1" });
      silent.on("error", () => {});
      silent.on("data", () => {});
      const half = connectPlain({ port, host: "127.0.0.1" });
      half.on("error", () => {});
      half.on("data", () => {});
      half.write(Buffer.from([22, 3, 1, 2, 0, 1]));
      await until(() => silent.closed && half.closed, "the end of both connections");
      expect(refusals.toSorted()).toEqual(["plain_http", "timeout", "timeout"]);
    }));
});
