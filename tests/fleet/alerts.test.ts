/** Three real balancers, a real store and a receiver: of a change that all of them see, one sends the alert. */

import { expect, test } from "bun:test";
import { createServer } from "node:http";

import type { ServiceProblem } from "../../src/problems/problem.ts";
import { AlertReceiver } from "../support/alert-receiver.ts";
import { alertSecret } from "../support/alerts.ts";
import { type Member, TestFleet } from "../support/fleet.ts";
import { freePort, hasRedis } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

/** The only upstream of a pool: while it is down, each balancer finds the pool empty. */
class OnlyUpstream implements AsyncDisposable {
  readonly url: string;
  readonly #port: number;
  readonly #server = createServer((_, response) => response.end("ok"));

  constructor(port: number) {
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  up(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
  }

  async down(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

const secret = { EVENKEEL_ALERT_SECRET: alertSecret };

async function openAt(member: Member): Promise<readonly ServiceProblem[]> {
  const { problems } = await member.call<{ problems: readonly ServiceProblem[] }>("GET", "/api/problems");
  return problems.filter(({ kind }) => kind === "pool_empty");
}

const allHave = (members: readonly Member[], count: number) =>
  until(
    async () => (await Promise.all(members.map(openAt))).every(({ length }) => length === count),
    `each has ${count}`,
    40_000,
  );

/** Each balancer describes what it sees itself, so the subject says who has sent it. */
const told = ({ received }: AlertReceiver) =>
  received.map(({ json, headers }) => ({
    event: String(json["event"]).replace("problem.", ""),
    by: (json["subject"] as { balancer: string }).balancer,
    id: String(json["id"]),
    number: Number(String(headers["idempotency-key"]).split("/").at(-1)),
  }));

test.if(hasRedis)(
  "one of three sends, its successor goes on when it is killed, and each sends without the store",
  async () => {
    await using receiver = await AlertReceiver.start();
    await using upstream = new OnlyUpstream(await freePort());
    await upstream.up();
    await using fleet = await TestFleet.prepare({
      configuration: `alerts: [{ url: "${receiver.url}", kinds: [pool_empty] }]
pools: { shop: { probe: { interval: 200ms, changingInterval: 200ms }, upstreams: [{ url: "${upstream.url}", name: s1 }] } }
`,
    });
    const { members } = fleet;
    await Promise.all(members.map((member) => member.start(secret)));
    await fleet.together();

    await upstream.down();
    await until(() => told(receiver).length === 1, "the opening", 15_000);
    for (const member of members)
      await until(
        async () => (await openAt(member))[0]?.seenBy.toSorted().join(" ") === "a b c",
        `${member.name} knows who sees it`,
      );
    await upstream.up();
    await allHave(members, 0);
    await until(() => told(receiver).length === 2, "the end", 15_000);
    const [opened, closed] = told(receiver);
    expect([opened, closed]).toMatchObject([
      { event: "opened", number: 1 },
      { event: "closed", number: 2, by: opened?.by, id: opened?.id },
    ]);

    // Within ten minutes it is the same problem.
    await upstream.down();
    await until(() => told(receiver).length === 3, "it is back", 15_000);
    await allHave(members, 1);
    const sender = fleet.get(told(receiver)[2]?.by ?? "");
    const others = members.filter((member) => member !== sender);
    await until(async () => (await openAt(others[0] as Member))[0]?.seenBy.length === 3);
    await sender.kill();
    await until(
      async () => (await openAt(others[0] as Member))[0]?.seenBy.length === 2,
      "one is gone",
      10_000,
    );
    await upstream.up();
    await allHave(others, 0);
    await until(() => told(receiver).length === 4, "the end from another one", 15_000);
    const [, , again, end] = told(receiver);
    expect([again, end]).toMatchObject([
      { event: "opened", number: 3, id: opened?.id },
      { event: "closed", number: 5, id: opened?.id },
    ]);
    expect(end?.by).not.toBe(sender.name);
    await sender.start(secret);
    await fleet.together();

    fleet.redis.freeze();
    await upstream.down();
    await until(() => told(receiver).length === 7, "one from each", 30_000);
    expect(
      told(receiver)
        .slice(4)
        .map(({ event, by }) => `${event} by ${by}`)
        .sort(),
    ).toEqual(["opened by a", "opened by b", "opened by c"]);
    fleet.redis.thaw();
    await fleet.together();
    await upstream.up();
    await allHave(members, 0);
    const ends = () => told(receiver).slice(7);
    await until(() => ends().length > 0, "the end", 15_000);
    await upstream.down();
    await until(() => ends().some(({ event }) => event === "opened"), "it is back", 15_000);
    // More than one may close what more than one has opened: under one key, so that the receiver sees that it is the same.
    const closings = ends().filter(({ event }) => event === "closed");
    expect(new Set(closings.map(({ id, number }) => `${id} ${number}`)).size).toBe(1);
    expect(ends().filter(({ event }) => event === "opened")).toHaveLength(1);
    await upstream.up();
  },
  180_000,
);
