/** A balancer in front of one server, which Chromium reaches over HTTPS and HTTP/2 with a certificate that it verifies. */

import { wireEngine } from "../../src/engine/wire/bun.ts";
import type { RequestRecord } from "../../src/proxy/record.ts";
import type { TestAuthority } from "./acme-authority.ts";
import { startEngine } from "./engine-fixture.ts";
import { pairOf, tlsWith } from "./tls-certificates.ts";

export interface HttpsFront {
  /** Without a path. */
  readonly url: string;
  readonly records: readonly RequestRecord[];
  close(): void;
}

/** The wire engine with TLS and HTTP/2 in front of the port. */
export async function startHttpsFront(authority: TestAuthority, port: number): Promise<HttpsFront> {
  const { cert, key } = await authority.pair("localhost");
  const { tls } = tlsWith([pairOf(cert, key)]);
  const fixture = await startEngine(wireEngine, { ports: [port], listener: { tls, http2: true } });
  return {
    url: `https://localhost:${fixture.port}`,
    records: fixture.records,
    close() {
      fixture.close();
      if (fixture.bugs.length > 0) throw fixture.bugs[0];
    },
  };
}
