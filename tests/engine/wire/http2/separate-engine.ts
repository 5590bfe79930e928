/** `bun separate-engine.ts <upstream port> <idle timeout> [tls]`: the wire engine with HTTP/2 in a separate process, so that its cost can be measured. */

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { selfSigned } from "../../../../src/tls/self-signed.ts";
import { startEngine } from "../../../support/engine-fixture.ts";
import { tlsWith } from "../../../support/tls-certificates.ts";

/** What the process has used so far, and the bugs that it has met. */
export interface EngineUse {
  readonly rss: number;
  readonly cpuMs: number;
  readonly bugs: number;
  readonly active: number;
}

const fixture = await startEngine(wireEngine, {
  ports: [Number(process.argv[2])],
  listener: {
    http2: true,
    ...(process.argv[4] === "tls" && { tls: tlsWith([selfSigned("localhost", "test")]).tls }),
  },
  clientTimeouts: { headMs: 1_000, bodyIdleMs: Number(process.argv[3] ?? 1_000), keepAliveMs: 10_000 },
  timeouts: { headMs: 60_000, bodyIdleMs: 60_000 },
});
process.on("message", () => {
  // What only the tests keep.
  for (const kept of [fixture.ended, fixture.records, fixture.refused]) kept.length = 0;
  Bun.gc(true);
  const { user, system } = process.cpuUsage();
  process.send?.({
    rss: process.memoryUsage().rss,
    cpuMs: (user + system) / 1_000,
    bugs: fixture.bugs.length,
    active: fixture.listener.active(),
  } satisfies EngineUse);
});
process.on("disconnect", () => process.exit());
process.send?.(fixture.port);
