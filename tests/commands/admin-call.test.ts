import { expect, test } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { adminCalls } from "../../src/commands/admin-call.ts";
import { type CliCommand, warningsBefore } from "../../src/commands/orders.ts";
import { accountsOf, startAdminStand } from "../admin/fixture.ts";
import { pool, snapshotOf, startFakeAdminApi, upstream } from "../support/fake-admin-api.ts";
import { FakeTime } from "../support/fake-time.ts";
import { until } from "../support/wait.ts";

test("a token that is missing or wrong is told in the words of whoever types commands", async () => {
  using stand = await startAdminStand(await accountsOf());
  const adminUrl = `http://127.0.0.1:${stand.port}`;
  const asking = (adminToken?: string) =>
    adminCalls(
      { adminUrl, ...(adminToken !== undefined && { adminToken }) },
      "ann",
    )({
      path: "/api/snapshot",
    });
  expect(await asking()).toEqual({
    ...{ kind: "failed", exitCode: 2 },
    text: `Cannot ask the balancer: it needs a token, and ADMIN_TOKEN is not set, received ${adminUrl}`,
  });
  expect(await asking("guess")).toEqual({
    ...{ kind: "failed", exitCode: 2 },
    text: `Cannot ask the balancer: it does not know the token in ADMIN_TOKEN, received ${adminUrl}`,
  });
  expect(await asking("grafana-token")).toMatchObject({ kind: "called", status: 200 });
});

test("whoever looks at a balancer that is frozen is told within five seconds, and an order may take longer", async () => {
  let asked = 0;
  const frozen = createServer(() => void (asked += 1)).listen(0, "127.0.0.1");
  await until(() => frozen.listening, "the listener");
  const adminUrl = `http://127.0.0.1:${(frozen.address() as AddressInfo).port}`;
  const time = new FakeTime();
  const call = adminCalls({ adminUrl }, "ann", time.schedule);
  const looking = call({ path: "/api/snapshot" });
  const acting = call({ method: "POST", path: "/api/upstreams/a/mode", body: {} });
  await until(() => asked === 2, "both requests");
  await time.advance(5_000);
  const text = `Cannot ask the balancer: timed out, received ${adminUrl}`;
  expect(await looking).toEqual({ kind: "failed", exitCode: 3, text });
  expect(time.waits).toEqual([25_000]);
  await time.advance(25_000);
  expect(await acting).toEqual({ kind: "failed", exitCode: 3, text });
  frozen.closeAllConnections();
  frozen.close();
});

test("an order that leaves a pool with nobody is told of before it is given", async () => {
  const upstreams = [upstream("a"), upstream("b", { status: "failing", fit: false })];
  const admin = await startFakeAdminApi(snapshotOf(pool({ name: "shop", upstreams })));
  const call = adminCalls({ adminUrl: admin.url }, "ann");
  const gone = ["Pool shop will have no available upstream: clients get 503."];
  const of = (id: string) => ({ upstream: id, reason: "" });
  const table: readonly (readonly [order: CliCommand, dangers: readonly string[]])[] = [
    [{ verb: "drain", ...of("a"), waitMs: 0, isForced: false }, gone],
    [{ verb: "maintenance", ...of("a") }, gone],
    [{ verb: "remove", ...of("a"), waitMs: 0 }, gone],
    [{ verb: "weight", ...of("a"), weight: 0 }, gone],
    [{ verb: "weight", ...of("a"), weight: 5 }, []],
    [{ verb: "drain", ...of("b"), waitMs: 0, isForced: false }, []],
    [{ verb: "maintenance", ...of("nobody") }, []],
    [{ verb: "ready", ...of("a") }, []],
  ];
  for (const [order, dangers] of table) expect(await warningsBefore(order, call)).toEqual(dangers);
  await admin.close();
  const removal: CliCommand = { verb: "remove", ...of("a"), waitMs: 0 };
  const alone = await startFakeAdminApi(snapshotOf(pool({ name: "shop", upstreams: [upstream("a")] })));
  // The balancer refuses that.
  expect(await warningsBefore(removal, adminCalls({ adminUrl: alone.url }, "ann"))).toEqual([]);
  await alone.close();
  const other = createServer((_, response) => void response.end("{}")).listen(0, "127.0.0.1");
  await once(other, "listening");
  const adminUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  expect(await warningsBefore(removal, adminCalls({ adminUrl }, "ann"))).toEqual([]);
  other.closeAllConnections();
  other.close();
});
