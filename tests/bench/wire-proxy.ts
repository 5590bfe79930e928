/** The wire engine alone before given upstreams, for measuring: no probes, no admin side, no log. */

import { wireEngine } from "../../src/engine/wire/bun.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream } from "../../src/pool/upstream.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import { requestIds } from "../../src/proxy/request-id.ts";

const [port = "0", ...upstreamPorts] = process.argv.slice(2);

const upstreams = upstreamPorts.map((text) => {
  const address = { protocol: "http", hostname: "127.0.0.1", port: Number(text) } as const;
  return new Upstream({ id: `127.0.0.1:${text}`, address, weight: 1, backup: false }, { rise: 2, fall: 3 });
});
const pool = new Pool({
  name: "main",
  policy: roundRobin(),
  upstreams,
  random: systemRandom,
  clock: systemClock,
});
for (const upstream of upstreams) pool.recordProbe(upstream, true);
const timeouts = { connectMs: 3_000, headMs: 30_000, bodyIdleMs: 60_000, tunnelIdleMs: 3_600_000 };
const routes = [{ destination: { pool, timeouts, retries: 1 } }];
const observer = { attemptEnded() {}, retried() {}, notRetried() {}, refused() {} };
const listener = await wireEngine.listen({
  hostname: "127.0.0.1",
  port: Number(port),
  sharesPort: false,
  clientTimeouts: { headMs: 10_000, bodyIdleMs: 30_000, keepAliveMs: 75_000 },
  exchange: () => new Exchange({ routes: () => routes, clock: systemClock, observer }),
  requestId: requestIds(systemRandom),
  trusts: () => false,
  log: { bug: (error) => console.error(error), fault() {} },
});
console.log(listener.port);
