import { expect, test } from "bun:test";
import { connect, type ConnectionOptions } from "node:tls";

import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { selfSigned } from "../../../src/tls/self-signed.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { tlsWith } from "../../support/tls-certificates.ts";

/** Name of the certificate and version; undefined if the handshake is refused. */
function handshake(port: number, options: ConnectionOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
    socket.once("error", () => resolve(undefined));
    socket.once("secureConnect", () => {
      resolve(`${String(socket.getPeerCertificate().subject.CN)} ${socket.getProtocol()}`);
      socket.destroy();
    });
  });
}

const pairs = [selfSigned("a.test", "a"), selfSigned("*.b.test", "b"), selfSigned("c.test", "c")];
const old = { maxVersion: "TLSv1.2" } as const;

test.each([
  ["1.2", "a.test TLSv1.2"],
  ["1.3", undefined],
] as const)(
  "certificates are chosen by name, and TLS %s is the lowest version",
  async (minVersion, ofOld) => {
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const { tls } = tlsWith(pairs, { minVersion });
    const set = await startEngine(fetchEngine, { ports: [origin.port], listener: { tls } });
    const shown = (options: ConnectionOptions) => handshake(set.port, options);
    expect(await shown({ servername: "a.test" })).toBe("a.test TLSv1.3");
    expect(await shown({ servername: "x.b.test" })).toBe("*.b.test TLSv1.3");
    expect(await shown({ servername: "c.test" })).toBe("c.test TLSv1.3");
    expect(await shown({ servername: "other.test" })).toBe("a.test TLSv1.3");
    expect(await shown({})).toBe("a.test TLSv1.3");
    expect(await shown({ servername: "a.test", ...old })).toBe(ofOld as string);
    expect(await shown({ servername: "x.b.test", ...old })).toBe(
      ofOld?.replace("a.test", "*.b.test") as string,
    );
    const response = await fetch(`https://127.0.0.1:${set.port}/`, { tls: { rejectUnauthorized: false } });
    expect(await response.text()).toBe("ok");
    set.close();
    await origin.close();
  },
);
