import { expect, test } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { adminCalls } from "../../src/commands/admin-call.ts";
import type { Verb } from "../../src/cli/verbs.ts";
import { type CliCommand, warningsBefore } from "../../src/commands/orders.ts";
import { runVerb } from "../../src/commands/run-verb.ts";
import type { Terminal } from "../../src/commands/terminal.ts";
import { accountsOf, startAdminStand } from "../admin/fixture.ts";
import { pool, snapshotOf, startFakeAdminApi, upstream } from "../support/fake-admin-api.ts";
import { FakeTime } from "../support/fake-time.ts";
import { until } from "../support/wait.ts";

test("a missing or wrong token is reported with the variable to set", async () => {
  using stand = await startAdminStand(await accountsOf());
  const adminUrl = `http://127.0.0.1:${stand.port}`;
  const callWith = (adminToken?: string) =>
    adminCalls(
      { adminUrl, ...(adminToken !== undefined && { adminToken }) },
      "ann",
    )({
      path: "/api/snapshot",
    });
  expect(await callWith()).toEqual({
    kind: "failed",
    exitCode: 2,
    text: `Cannot use the admin API at ${adminUrl}: a token is required; set ADMIN_TOKEN.`,
  });
  expect(await callWith("guess")).toEqual({
    kind: "failed",
    exitCode: 2,
    text: `Cannot use the admin API at ${adminUrl}: the token in ADMIN_TOKEN is not accepted.`,
  });
  expect(await callWith("grafana-token")).toMatchObject({ kind: "called", status: 200 });
});

test("a read of a frozen balancer fails within five seconds, and a command may take longer", async () => {
  let requests = 0;
  const frozen = createServer(() => void (requests += 1)).listen(0, "127.0.0.1");
  await until(() => frozen.listening, "the listener");
  const adminUrl = `http://127.0.0.1:${(frozen.address() as AddressInfo).port}`;
  const time = new FakeTime();
  const call = adminCalls({ adminUrl }, "ann", time.schedule);
  const reading = call({ path: "/api/snapshot" });
  const acting = call({ method: "POST", path: "/api/upstreams/a/mode", body: {} });
  await until(() => requests === 2, "both requests");
  await time.advance(5_000);
  const text = `Cannot reach the admin API at ${adminUrl}: timed out.`;
  expect(await reading).toEqual({ kind: "failed", exitCode: 3, text });
  expect(time.waits).toEqual([25_000]);
  await time.advance(25_000);
  expect(await acting).toEqual({ kind: "failed", exitCode: 3, text });
  frozen.closeAllConnections();
  frozen.close();
});

test("a command that leaves a pool without an available upstream is announced before it runs", async () => {
  const upstreams = [upstream("a"), upstream("b", { status: "failing", fit: false })];
  const admin = await startFakeAdminApi(snapshotOf(pool({ name: "shop", upstreams })));
  const call = adminCalls({ adminUrl: admin.url }, "ann");
  const gone = ["Pool shop will have no available upstream: clients get 503."];
  const of = (id: string) => ({ upstream: id, reason: "" });
  const table: readonly (readonly [command: CliCommand, warnings: readonly string[]])[] = [
    [{ verb: "drain", ...of("a"), waitMs: 0, isForced: false }, gone],
    [{ verb: "maintenance", ...of("a") }, gone],
    [{ verb: "remove", ...of("a"), waitMs: 0 }, gone],
    [{ verb: "weight", ...of("a"), weight: 0 }, gone],
    [{ verb: "weight", ...of("a"), weight: 5 }, []],
    [{ verb: "drain", ...of("b"), waitMs: 0, isForced: false }, []],
    [{ verb: "maintenance", ...of("unknown") }, []],
    [{ verb: "ready", ...of("a") }, []],
  ];
  for (const [command, warnings] of table) expect(await warningsBefore(command, call)).toEqual(warnings);
  await admin.close();
  const removal: CliCommand = { verb: "remove", ...of("a"), waitMs: 0 };
  const alone = await startFakeAdminApi(snapshotOf(pool({ name: "shop", upstreams: [upstream("a")] })));
  // The balancer refuses that command.
  expect(await warningsBefore(removal, adminCalls({ adminUrl: alone.url }, "ann"))).toEqual([]);
  await alone.close();
  const other = createServer((_, response) => void response.end("{}")).listen(0, "127.0.0.1");
  await once(other, "listening");
  const adminUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  expect(await warningsBefore(removal, adminCalls({ adminUrl }, "ann"))).toEqual([]);
  other.closeAllConnections();
  other.close();
});

test("a response of another program is no answer, and never an empty list", async () => {
  const verbs: readonly Verb[] = [
    { verb: "problems", subcommand: "list", isWatched: false, withClosed: false, asJson: false },
    { verb: "problems", subcommand: "list", isWatched: false, withClosed: true, asJson: true },
    { verb: "alerts", subcommand: "show", asJson: false },
    { verb: "silence", subcommand: "list", asJson: false },
    { verb: "routes", isWatched: false, asJson: false },
    { verb: "fleet", isWatched: false, asJson: false },
    { verb: "status", isWatched: false, asJson: false, withFleet: false },
    { verb: "events", isFollowed: false, upstream: undefined, limit: 20, asJson: false },
  ];
  const bare =
    '{"problems":[{"id":"p-1","level":"critical","state":"open","title":"x","since":"2026-11-29"}]}';
  for (const body of [
    bare,
    "hello",
    "null",
    "{}",
    "[]",
    '{"problems":null}',
    '{"problems":[5],"routes":[5]}',
  ]) {
    const other = createServer((_, response) => void response.end(body)).listen(0, "127.0.0.1");
    await once(other, "listening");
    const adminUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    for (const verb of verbs) {
      const said: string[] = [];
      const terminal: Terminal = {
        write: (text) => void said.push(`out: ${text}`),
        warn: (line) => void said.push(line),
        ...{ isInteractive: false, hasColour: false, size: () => undefined },
      };
      const code = await runVerb(verb, { target: { adminUrl }, actor: "ann", terminal });
      expect([verb.verb, body, code, said.length]).toEqual([verb.verb, body, 3, 1]);
      expect(said[0]).toMatch(/^Cannot read \/api\/\w+ of the admin API at \S+: this is not its response\./);
    }
    other.closeAllConnections();
    other.close();
  }
});
