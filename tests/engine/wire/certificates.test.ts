import { describe, expect, test } from "bun:test";
import { connect as connectPlain } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

import { bunSockets, wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngineOver } from "../../../src/engine/wire/listener.ts";
import { wireEngine as nodeEngine } from "../../../src/engine/wire/node.ts";
import type { ListenerTlsOptions } from "../../../src/tls/listener-tls.ts";
import { selfSigned } from "../../../src/tls/self-signed.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { tlsWith } from "../../support/tls-certificates.ts";
import { until } from "../../support/wait.ts";
import { get } from "./fixture.ts";

/** "a.test http/1.1 TLSv1.3" of a successful handshake; undefined of a refused one. */
function handshake(port: number, options: ConnectionOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
    socket.once("error", () => resolve(undefined));
    socket.once("secureConnect", () => {
      const name = String(socket.getPeerCertificate().subject.CN);
      resolve([name, socket.alpnProtocol || "-", socket.getProtocol()].join(" "));
      socket.destroy();
    });
  });
}

const named = (servername: string) => ({ servername, ALPNProtocols: ["http/1.1"] });
const [first, wildcard, second] = [
  selfSigned("a.test", "a"),
  selfSigned("*.b.test", "b"),
  selfSigned("a.test", "c", { days: 60 }),
];

const fallback = wireEngineOver(bunSockets(() => Promise.resolve(false)));

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
  ["node's sockets, because Bun's failed the trial", fallback],
])("certificates on %s", (_, engine) => {
  async function scene(
    options: Partial<ListenerTlsOptions> & { http2?: boolean },
    play: (scene: {
      port: number;
      store: ReturnType<typeof tlsWith>["store"];
      refusals: string[];
      bugs: readonly unknown[];
    }) => Promise<void>,
  ) {
    const origin = await startOrigin((_request, socket) => void socket.write(respondWith("ok")));
    const { http2 = false, ...tlsOptions } = options;
    const { store, tls } = tlsWith([first, wildcard], tlsOptions);
    const refusals: string[] = [];
    const set = await startEngine(engine, {
      ports: [origin.port],
      listener: { tls, http2 },
      clientTimeouts: { headMs: 300 },
      onHandshakeRefused: (reason) => void refusals.push(reason),
    });
    try {
      await play({ port: set.port, store, refusals, bugs: set.bugs });
    } finally {
      set.close();
      await origin.close();
    }
  }

  test("are chosen by name, and the default is for all other clients", () =>
    scene({}, async ({ port }) => {
      expect(await handshake(port, named("a.test"))).toBe("a.test http/1.1 TLSv1.3");
      expect(await handshake(port, named("x.b.test"))).toBe("*.b.test http/1.1 TLSv1.3");
      expect(await handshake(port, named("X.B.Test"))).toBe("*.b.test http/1.1 TLSv1.3");
      expect(await handshake(port, named("x.y.b.test"))).toBe("a.test http/1.1 TLSv1.3");
      expect(await handshake(port, {})).toBe("a.test - TLSv1.3");
      expect(await handshake(port, { ...named("a.test"), maxVersion: "TLSv1.2" })).toBe(
        "a.test http/1.1 TLSv1.2",
      );
    }));

  test("HTTP/2 is selected only where it is served", async () => {
    const both = { servername: "a.test", ALPNProtocols: ["h2", "http/1.1"] };
    await scene({}, async ({ port, refusals }) => {
      expect(await handshake(port, both)).toBe("a.test http/1.1 TLSv1.3");
      expect(await handshake(port, { servername: "a.test", ALPNProtocols: ["h3"] })).toBeUndefined();
      await until(() => refusals.includes("protocol"), "the refusal");
    });
    await scene({ http2: true }, async ({ port }) => {
      expect(await handshake(port, both)).toBe("a.test h2 TLSv1.3");
      expect(await handshake(port, named("x.b.test"))).toBe("*.b.test http/1.1 TLSv1.3");
    });
  });

  test("strict SNI refuses unknown names, and clients without a name", () =>
    scene({ strictSni: true }, async ({ port, store, refusals }) => {
      expect(await handshake(port, named("other.test"))).toBeUndefined();
      expect(await handshake(port, {})).toBeUndefined();
      expect(await handshake(port, named("a.test"))).toBe("a.test http/1.1 TLSv1.3");
      await until(() => refusals.filter((reason) => reason === "name").length === 2, "the refusals");
      store.replace("test", [second]);
      expect(await handshake(port, {})).toBeUndefined();
      expect(await handshake(port, named("x.b.test"))).toBeUndefined();
      expect(await handshake(port, named("a.test"))).toBe("a.test http/1.1 TLSv1.3");
    }));

  test("TLS 1.3 can be required", () =>
    scene({ minVersion: "1.3" }, async ({ port, store, refusals }) => {
      const old = { maxVersion: "TLSv1.2" } as const;
      expect(await handshake(port, { ...named("a.test"), ...old })).toBeUndefined();
      expect(await handshake(port, old)).toBeUndefined();
      expect(await handshake(port, { ...named("x.b.test"), ...old })).toBeUndefined();
      store.replace("test", [wildcard]);
      expect(await handshake(port, old)).toBeUndefined();
      await until(() => refusals.filter((reason) => reason === "version").length === 4, "the refusals");
      expect(await handshake(port, {})).toBe("*.b.test - TLSv1.3");
    }));

  test("are replaced for new handshakes, and open connections keep theirs", () =>
    scene({}, async ({ port, store }) => {
      const open = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, servername: "a.test" });
      let received = "";
      open.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
      await new Promise((resolve) => open.once("secureConnect", resolve));
      const shown = (options: ConnectionOptions) =>
        new Promise((resolve, reject) => {
          const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
          socket.once("error", reject);
          socket.once("secureConnect", () => {
            resolve(socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase());
            socket.destroy();
          });
        });
      expect(await shown({})).toBe(first.fingerprint);
      store.replace("test", [second, wildcard]);
      expect(await shown({})).toBe(second.fingerprint);
      expect(await shown({ servername: "a.test" })).toBe(second.fingerprint);
      expect(await shown({ servername: "x.b.test" })).toBe(wildcard.fingerprint);
      store.replace("test", []);
      expect(await handshake(port, named("a.test"))).toBeUndefined();
      store.replace("test", [first]);
      expect(await shown({ servername: "a.test" })).toBe(first.fingerprint);
      open.write(get());
      await until(() => received.endsWith("ok"), "a response on the open connection");
      open.destroy();
    }));

  test("bytes that are no TLS after the handshake end the connection, and are no bug of ours", () =>
    scene({}, async ({ port, bugs }) => {
      for (const garbage of [
        "hello",
        "\u0015\u0003\u0003\u0000\u0002\u0002\u0028",
        "\u0017\u0003\u0003\u0000\u0005aaaaa",
      ]) {
        const socket = connectPlain(port, "127.0.0.1");
        let isClosed = false;
        socket.on("close", () => (isClosed = true));
        socket.on("error", () => {});
        const secure = connect({ socket, servername: "a.test", rejectUnauthorized: false });
        secure.on("error", () => {});
        await new Promise((resolve) => secure.once("secureConnect", resolve));
        secure.write(get());
        await new Promise((resolve) => secure.once("data", resolve));
        socket.write(Buffer.from(garbage, "latin1"));
        await until(() => isClosed, "the end");
      }
      expect(bugs).toEqual([]);
    }));

  test("handshakes that end otherwise are counted", () =>
    scene({}, async ({ port, refusals }) => {
      const rude = (bytes: Buffer) =>
        new Promise<string>((resolve) => {
          let received = "";
          const socket = connectPlain(port, "127.0.0.1", () => socket.write(bytes));
          socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
          socket.on("error", () => {});
          socket.on("close", () => resolve(received));
        });
      await rude(Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
      await until(() => refusals.join() === "not_tls", "garbage");
      await rude(Buffer.from("160301020001", "hex"));
      await until(() => refusals.join() === "not_tls,timeout", "a timeout");
      const plain = await rude(Buffer.from("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"));
      await until(() => refusals.length === 3, "plain HTTP");
      expect([refusals[2], plain]).toEqual([
        "plain_http",
        expect.stringMatching(/^HTTP\/1\.1 400 .*HTTPS port\.\n$/s),
      ]);
    }));
});
