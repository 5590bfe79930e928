/** `bun separate-process.ts <upstream port>`: the wire engine in a separate process, so that its memory can be measured. */

import { startEngine } from "../../support/engine-fixture.ts";

const runsOnBun = typeof Bun !== "undefined";
// What Bun's sockets need does not load in Deno.
const { wireEngine } = await import(`../../../src/engine/wire/${runsOnBun ? "bun" : "node"}.ts`);
const set = await startEngine(wireEngine, {
  ports: [Number(process.argv[2])],
  timeouts: { headMs: 60_000, bodyIdleMs: 60_000 },
  clientTimeouts: { bodyIdleMs: 60_000 },
});
process.on("message", () => {
  if (runsOnBun) Bun.gc(true);
  else (globalThis as { gc?: () => void }).gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  // Deno returns freed memory to the system late, so its resident size says little.
  process.send?.(runsOnBun ? rss : heapUsed + external);
});
process.on("disconnect", () => process.exit());
process.send?.(set.port);
