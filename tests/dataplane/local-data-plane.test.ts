import { expect, test } from "bun:test";

import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { fetchEngine } from "../../src/engine/fetch/bun.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { LocalDataPlane } from "../../src/dataplane/local-data-plane.ts";
import type { RequestRecord } from "../../src/proxy/record.ts";
import { configOf } from "../support/configs.ts";
import { startSilentOrigins } from "../support/origin.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";

test("the end waits for late results of aborted requests, so that each request has its record", async () => {
  const { origins, pending } = await startSilentOrigins(1);
  /** Like a runtime on a busy machine: the engine sees closed connections late. */
  const lateEngine: Engine = {
    name: "fetch",
    async listen(options) {
      const listener = await fetchEngine.listen(options);
      return { ...listener, close: () => void systemSchedule(300, () => listener.close()) };
    },
  };
  const upstream = {
    id: "a",
    weight: 1,
    backup: false,
    address: { protocol: "http", hostname: "127.0.0.1", port: origins[0]?.port ?? 0 } as const,
  };
  const config = configOf("main: a", {
    listeners: [{ name: "main", hostname: "127.0.0.1", port: 0, maxClients: 9, protocols: ["http1"] }],
  });
  const [main] = config.pools;
  const placedConfig = { ...config, pools: main ? [{ ...main, upstreams: [upstream] }] : [] };
  const observer = { outlierChanged() {}, panicChanged() {} };
  const registry = new PoolRegistry({ clock: systemClock, random: seededRandom(1), observer });
  registry.commit(registry.prepare(placedConfig));
  const records: RequestRecord[] = [];
  const dataPlane = new LocalDataPlane({
    config: placedConfig,
    engine: lateEngine,
    sharesPort: false,
    certificates: new CertificateStore(),
    registry,
    clock: systemClock,
    metrics: new Metrics(systemClock),
    records: [
      {
        wants: () => true,
        wantsSlow: () => false,
        wantsFailed: () => false,
        accept: ({ record }) => void records.push(record),
      },
    ],
    log: { debug() {}, info() {}, warn() {}, error() {} },
    onSuspicion() {},
  });
  await dataPlane.listen();
  const client = await RawClient.connect(dataPlane.ports[0] ?? 0);
  try {
    client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => pending.length === 1, "the request to arrive");
    await dataPlane.end();
    expect(records).toMatchObject([{ target: "/cut", attempts: [{ outcome: "cancelled" }] }]);
  } finally {
    client.destroy();
    await Promise.all(origins.map((origin) => origin.close()));
  }
});
