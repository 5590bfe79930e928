import { expect, test } from "bun:test";

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { Upstream } from "../../../src/pool/upstream.ts";
import { respondWith, startOrigin } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startEngine } from "../../support/engine-fixture.ts";
import { until } from "../../support/wait.ts";
import { get } from "./fixture.ts";

const spec = { weight: 1, backup: false };

test("removed upstreams and their connections are not kept in memory", async () => {
  const origin = await startOrigin(
    (_, socket) => void socket.write(respondWith("ok", ["Keep-Alive: timeout=2"])),
  );
  const set = await startEngine(wireEngine, { ports: [origin.port] });
  const client = await RawClient.connect(set.port);
  const gone: WeakRef<Upstream>[] = [];
  const address = { protocol: "http", hostname: "127.0.0.1", port: origin.port } as const;
  try {
    const comeAndGo = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const upstream = new Upstream({ ...spec, id: `api-${i}`, address }, { rise: 1, fall: 1 });
        set.pool.setUpstreams([upstream]);
        set.pool.recordProbe(upstream, true);
        expect((await client.send(get()).readResponse()).status).toBe(200);
        gone.push(new WeakRef(upstream));
      }
    };
    await comeAndGo(100);
    set.pool.setUpstreams([]);
    await until(() => origin.open() === 0, "their connections to close");
    await until(() => {
      Bun.gc(true);
      return gone.filter((upstream) => upstream.deref()).length < 10;
    }, "them to be collected");
    expect(origin.connections()).toBe(100);
  } finally {
    client.destroy();
    set.close();
    await origin.close();
  }
});
