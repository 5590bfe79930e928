import { describe, expect, test } from "bun:test";
import type { ServerResponse } from "node:http";

import { maxWaiting } from "../../src/alerts/receiver-queue.ts";
import { ToldProblems } from "../../src/alerts/told-problems.ts";
import { noAlerts, type ToldRow } from "../../src/state/alert-record.ts";
import { AlertReceiver, isSigned } from "../support/alert-receiver.ts";
import { AlertStand, alertSecret, receiverOf } from "../support/alerts.ts";
import { closed, problemOf, withLevel } from "../support/problems.ts";
import { until } from "../support/wait.ts";

const day = 24 * 3_600_000;

describe("what a receiver is told", () => {
  test("opened, worse and closed, signed, in order, each once, with a number of its own", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    const problem = problemOf("p-aaaaa", { level: "warning" });
    stand.open = [problem];
    stand.advance();
    stand.advance();
    stand.open = [withLevel(problem, "critical")];
    stand.advance();
    stand.open = [problem];
    stand.advance();
    stand.open = [];
    stand.closed = [closed(problem)];
    stand.advance();
    stand.advance();
    // A message counts as sent when its answer is read.
    await until(() => stand.dispatcher.snapshot.sent.filter(({ state }) => state === "sent").length === 3);
    expect(receiver.events).toEqual([
      "problem.opened p-aaaaa",
      "problem.worse p-aaaaa",
      "problem.closed p-aaaaa",
    ]);
    expect(receiver.keys).toEqual(["fra-1/p-aaaaa/1", "fra-1/p-aaaaa/2", "fra-1/p-aaaaa/3"]);
    for (const alert of receiver.received) expect(isSigned(alert, alertSecret)).toBe(true);
    expect(receiver.received[0]?.json).toMatchObject({
      ...{ event: "problem.opened", url: "https://lb.example.com/?p=p-aaaaa", kind: "upstream_errors" },
      ...{ level: "warning", subject: { pool: "checkout", upstream: "checkout-07" } },
    });
    expect(receiver.received[0]?.headers).toMatchObject({
      ...{ "evenkeel-event": "problem.opened", "content-type": "application/json" },
      "user-agent": "evenkeel/9.9.9",
    });
    expect(stand.dispatcher.snapshot.sent.map(({ state, type }) => [state, type])).toEqual([
      ["sent", "problem.closed"],
      ["sent", "problem.worse"],
      ["sent", "problem.opened"],
    ]);
  });

  test("a signature does not fit a changed body or another secret", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => receiver.received.length === 1);
    const [alert] = receiver.received;
    if (!alert) throw new Error("nothing was received");
    expect(isSigned(alert, `${alertSecret}x`)).toBe(false);
    expect(isSigned({ ...alert, body: alert.body.replace("30 %", "3 %") }, alertSecret)).toBe(false);
  });

  test("only problems of its kinds, level and pools; and the end of what it was told", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([
      receiverOf(receiver, {
        kinds: ["upstream_errors", "certificate"],
        level: "critical",
        pools: ["checkout"],
      }),
    ]);
    const subject = {
      balancer: "fra-1",
      pool: "search",
      upstream: null,
      certificate: null,
      peer: null,
      address: null,
    };
    const told = problemOf("p-aaaaa");
    stand.open = [
      told,
      problemOf("p-bbbbb", { level: "warning" }),
      problemOf("p-ccccc", { kind: "queue" }),
      problemOf("p-ddddd", { subject }),
      problemOf("p-eeeee", { subject: { ...subject, pool: null } }),
    ];
    stand.advance();
    stand.open = [];
    stand.closed = [told, problemOf("p-bbbbb"), problemOf("p-ccccc")].map(closed);
    stand.advance();
    await until(() => receiver.received.length === 2);
    stand.advance();
    expect(receiver.events).toEqual(["problem.opened p-aaaaa", "problem.closed p-aaaaa"]);
  });

  test("a problem that becomes part of another one has not ended", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    const part = problemOf("p-aaaaa");
    stand.open = [part];
    stand.advance();
    const { id, kind, level, title, since } = part;
    const whole = problemOf("p-wwwww", {
      kind: "pool_empty",
      parts: [{ id, kind, level, title, since, upstream: null }],
    });
    stand.open = [whole];
    stand.advance();
    stand.open = [];
    stand.closed = [closed(whole), closed(part)];
    stand.advance();
    await until(() => receiver.received.length === 4);
    expect(receiver.events).toEqual([
      "problem.opened p-aaaaa",
      "problem.opened p-wwwww",
      "problem.closed p-aaaaa",
      "problem.closed p-wwwww",
    ]);
  });

  test("a receiver that a reload adds is told what is open, and one that it removes nothing more", async () => {
    await using first = await AlertReceiver.start();
    await using second = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(first)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => first.received.length === 1);
    stand.config = { ...stand.config, alerts: [receiverOf(second, { name: "second" })] };
    stand.open = [problemOf("p-aaaaa"), problemOf("p-bbbbb")];
    stand.advance();
    await until(() => second.received.length === 2);
    expect(first.received).toHaveLength(1);
    expect(stand.dispatcher.receivers.map(({ name }) => name)).toEqual(["second"]);
  });
});

describe("a receiver that fails", () => {
  test("gets the same alert again, and the next one after it", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [503, 500, (response) => void response.destroy(), 200];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    stand.open = [problemOf("p-aaaaa"), problemOf("p-bbbbb")];
    stand.advance();
    await until(() => receiver.received.length === 5);
    expect(receiver.keys).toEqual([...Array(4).fill("fra-1/p-aaaaa/1"), "fra-1/p-bbbbb/1"]);
    const [first, , , again] = receiver.received;
    expect(again?.body).toBe(first?.body ?? "");
    await until(() => stand.dispatcher.receivers[0]?.waiting === 0);
    expect(stand.dispatcher.receivers[0]).toMatchObject({
      ...{ failing: null, nextTryAt: null },
      counts: { sent: 2, failed: 3, refused: 0, expired: 0, dropped: 0 },
    });
    expect(stand.events.filter(({ kind }) => kind === "alert")).toEqual([
      { kind: "alert", from: "delivering", to: "failing", reason: "status_503", detail: "ops: status 503" },
      { kind: "alert", from: "failing", to: "delivering", reason: "sent", detail: "ops: 4 tries" },
    ]);
  });

  test("is tried for 24 hours, then the alert is given up, and an event tells", async () => {
    using stand = new AlertStand([receiverOf("http://127.0.0.1:9/hook")]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => (stand.dispatcher.receivers[0]?.counts.failed ?? 0) >= 2);
    stand.shiftMs = day - 60_000;
    const tries = stand.dispatcher.receivers[0]?.counts.failed ?? 0;
    await until(() => (stand.dispatcher.receivers[0]?.counts.failed ?? 0) > tries);
    expect(stand.dispatcher.receivers[0]?.counts.expired).toBe(0);
    stand.shiftMs = day + 1;
    await until(() => stand.dispatcher.receivers[0]?.counts.expired === 1);
    expect(stand.dispatcher.snapshot.sent[0]).toMatchObject({
      state: "expired",
      answer: "the connection was refused",
    });
    expect(stand.events.at(-1)).toMatchObject({ kind: "alert", to: "lost", reason: "expired" });
    stand.advance();
    expect(stand.store.alerts().alerts.map(({ state }) => state)).toEqual(["expired"]);
  });

  test("does not get a request again that it refuses as such, but the next one", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [400, 200];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa"), problemOf("p-bbbbb")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    expect(receiver.keys).toEqual(["fra-1/p-aaaaa/1", "fra-1/p-bbbbb/1"]);
    expect(stand.events[0]).toMatchObject({ to: "lost", reason: "refused" });
  });

  test("that hangs does not hold the others, and is given up at the deadline", async () => {
    await using hanging = await AlertReceiver.start();
    const held: ServerResponse[] = [];
    hanging.reactions = [(response) => void held.push(response), 200];
    await using other = await AlertReceiver.start();
    using stand = new AlertStand([
      receiverOf(hanging, { name: "hanging" }),
      receiverOf(other, { name: "other" }),
    ]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => other.received.length === 1);
    expect(stand.dispatcher.receivers[0]?.counts.sent).toBe(0);
    await until(() => hanging.received.length === 2);
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    expect(hanging.keys).toEqual(["fra-1/p-aaaaa/1", "fra-1/p-aaaaa/1"]);
    expect(stand.events[0]?.detail).toBe("hanging: no answer within 10 s");
  });

  test("that redirects is not followed", async () => {
    await using elsewhere = await AlertReceiver.start();
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [(response) => void response.writeHead(307, { Location: elsewhere.url }).end(), 200];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => receiver.received.length === 2);
    expect(elsewhere.received).toHaveLength(0);
    expect(stand.events[0]?.detail).toBe("ops: status 307, and redirects are not followed");
  });

  test("that never ends its body has acknowledged with its head, once the first bytes are read", async () => {
    await using receiver = await AlertReceiver.start();
    let isOpen = true;
    receiver.reactions = [
      (response) => {
        response.writeHead(200);
        response.on("close", () => (isOpen = false));
        const more = () => {
          while (isOpen && response.write("x".repeat(65_536)));
          if (isOpen) response.once("drain", more);
        };
        more();
      },
    ];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    await until(() => !isOpen, "the end of the connection");
    expect(receiver.received).toHaveLength(1);
  });

  test("waits as long as it asks for, at most five minutes", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [(response) => void response.writeHead(429, { "Retry-After": "90" }).end(), 200];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.nextTryAt);
    const waitMs = (stand.dispatcher.receivers[0]?.nextTryAt ?? 0) - stand.now;
    expect(waitMs).toBeGreaterThan(80_000);
    expect(waitMs).toBeLessThanOrEqual(90_000);
    await until(() => receiver.received.length === 2);
  });

  test("keeps the latest of too many alerts, and an event tells", async () => {
    using stand = new AlertStand([receiverOf("http://127.0.0.1:9/hook")]);
    stand.open = Array.from({ length: maxWaiting + 20 }, (_, index) => problemOf(`p-${index}`));
    stand.advance();
    const [receiver] = stand.dispatcher.receivers;
    expect(receiver?.waiting).toBe(maxWaiting);
    expect(receiver?.counts.dropped).toBe(20);
    expect(stand.events[0]).toMatchObject({ kind: "alert", to: "lost", reason: "dropped" });
    // Dropping is told in one event, not in twenty.
    expect(stand.events.filter(({ reason }) => reason === "dropped")).toHaveLength(1);
  });

  test("with a link-local address gets nothing, unless it is allowed", async () => {
    using stand = new AlertStand([receiverOf("http://169.254.169.254/latest/")]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.last);
    expect(stand.dispatcher.receivers[0]?.last?.answer).toMatch(/^its address is link-local/);
  });
});

describe("a restart", () => {
  test("sends what waits, in order, and nothing that was acknowledged", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    receiver.reactions = [503];
    stand.open = [problemOf("p-aaaaa"), problemOf("p-bbbbb"), problemOf("p-ccccc")];
    stand.advance();
    await until(() => receiver.received.length >= 2);
    stand.dispatcher.stop();
    const before = receiver.received.length;
    receiver.reactions = [200];
    stand.restart();
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 2);
    expect(receiver.keys.slice(before)).toEqual(["fra-1/p-bbbbb/1", "fra-1/p-ccccc/1"]);
    expect(stand.dispatcher.snapshot.sent.map(({ problem, state }) => `${problem.id} ${state}`)).toEqual([
      "p-ccccc sent",
      "p-bbbbb sent",
      "p-aaaaa sent",
    ]);
  });

  test("closes what has ended while nothing ran, and goes on with the number", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    stand.dispatcher.stop();
    stand.shiftMs = 5_000;
    stand.restart();
    stand.open = [];
    stand.advance();
    stand.shiftMs = 70_000;
    stand.advance();
    await until(() => receiver.received.length === 2);
    expect(receiver.events[1]).toBe("problem.closed p-aaaaa");
    expect(receiver.keys[1]).toBe("fra-1/p-aaaaa/2");
    expect(receiver.received[1]?.json).toMatchObject({ state: "closed", title: problemOf("p-aaaaa").title });
  });

  test("closes what ended unseen with the words of the opening, also while that one still waits", async () => {
    await using receiver = await AlertReceiver.start();
    receiver.reactions = [503];
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => receiver.received.length > 0);
    stand.open = [];
    stand.shiftMs = 5_000;
    stand.restart();
    stand.shiftMs = 70_000;
    receiver.reactions = [200];
    stand.advance();
    await until(() => receiver.events.at(-1) === "problem.closed p-aaaaa");
    const { title, kind, subject, level } = problemOf("p-aaaaa");
    expect(receiver.received.at(-1)?.json).toMatchObject({ title, kind, subject, level, state: "closed" });
  });

  test("closes what ended unseen with what the receiver knows, where no alert about it is left", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    const removedAlerts = stand.store.alerts().alerts.map(({ id }) => id);
    stand.dispatcher.stop();
    stand.store.writeAlerts({ ...noAlerts, removedAlerts, removedTold: [], removedSilences: [] });
    stand.open = [];
    stand.shiftMs = 5_000;
    stand.restart();
    stand.shiftMs = 70_000;
    stand.advance();
    await until(() => receiver.received.length === 2);
    const { title, kind, subject } = problemOf("p-aaaaa");
    expect(receiver.received[1]?.json).toMatchObject({
      ...{ event: "problem.closed", key: "fra-1/p-aaaaa/2", id: "p-aaaaa", title, kind, subject },
      ...{ level: "critical", state: "closed", end: { words: "Closed while the balancer did not run" } },
    });
  });

  test("under another name of the balancer sends nothing twice", () => {
    const options = { at: 1_000, now: 0, turns: undefined, isSilenced: () => false, onForgotten() {} };
    const problems = { open: [problemOf("p-aaaaa")], closed: [] };
    const kept: ToldRow[] = [];
    const before = new ToldProblems("host-1");
    const onTold = (row: ToldRow) => void kept.push(before.kept(row));
    expect(before.advance([receiverOf("http://r/")], problems, { ...options, onTold })).toHaveLength(1);
    const after = new ToldProblems("host-2");
    after.restore(kept, 2_000);
    expect(after.advance([receiverOf("http://r/")], problems, { ...options, onTold })).toEqual([]);
  });

  test("keeps what could not be written, and writes it when that is possible again", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    const { store } = stand;
    const write = store.writeAlerts.bind(store);
    store.writeAlerts = () => {
      throw new Error("database or disk is full");
    };
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    expect(store.alerts().alerts).toEqual([]);
    store.writeAlerts = write;
    stand.dispatcher.stop();
    expect(receiver.received).toHaveLength(1);
  });
});

describe("a silence", () => {
  test("keeps a problem from receivers until it ends; the list and its marks stay", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    const problem = problemOf("p-aaaaa");
    const until_ = stand.now + 3_600_000;
    const common = { kind: null, pool: null, until: until_, by: "ann", why: "kernel update" };
    const row = stand.dispatcher.silence({ ...common, upstream: "checkout-07" });
    stand.open = [
      problem,
      problemOf("p-bbbbb", { subject: { ...problem.subject, upstream: "checkout-08" } }),
    ];
    stand.advance();
    await until(() => stand.dispatcher.receivers[0]?.counts.sent === 1);
    expect(receiver.events).toEqual(["problem.opened p-bbbbb"]);
    expect(stand.dispatcher.marked(problem).silenced).toEqual({
      ...{ until: new Date(until_).toISOString(), by: "ann", why: "kernel update" },
    });
    stand.restart();
    expect(stand.dispatcher.silences).toEqual([row].filter((one) => one !== undefined));
    stand.advance();
    stand.dispatcher.endSilence(row?.id ?? "", "ben");
    stand.advance();
    await until(() => receiver.received.length === 2);
    expect(receiver.events[1]).toBe("problem.opened p-aaaaa");
    expect(
      stand.events.filter(({ kind }) => kind === "silence").map(({ to, detail }) => [to, detail]),
    ).toEqual([
      ["silenced", `upstream checkout-07 until ${new Date(until_).toISOString()}: kernel update`],
      ["ended", "upstream checkout-07"],
    ]);
    expect(stand.store.alerts().silences).toEqual([]);
  });

  test("ends at its time, and does not keep the end of what was told", async () => {
    await using receiver = await AlertReceiver.start();
    using stand = new AlertStand([receiverOf(receiver)]);
    stand.open = [problemOf("p-aaaaa")];
    stand.advance();
    const common = { pool: null, upstream: null, by: "ann", why: "known" };
    stand.dispatcher.silence({ ...common, kind: "upstream_errors", until: stand.now + 60_000 });
    stand.open = [problemOf("p-bbbbb")];
    stand.closed = [closed(problemOf("p-aaaaa"))];
    stand.advance();
    await until(() => receiver.received.length === 2);
    expect(receiver.events).toEqual(["problem.opened p-aaaaa", "problem.closed p-aaaaa"]);
    stand.shiftMs = 61_000;
    stand.advance();
    await until(() => receiver.received.length === 3);
    expect(receiver.events[2]).toBe("problem.opened p-bbbbb");
    expect(stand.dispatcher.silences).toEqual([]);
  });
});

test("2,000 seconds of problems that come and go cost each receiver no memory for what is over", () => {
  using stand = new AlertStand([receiverOf("http://127.0.0.1:9/hook", { kinds: ["certificate"] })]);
  const random = (seed: number) => (seed * 16_807) % 2_147_483_647;
  let seed = 7;
  for (let second = 0; second < 2_000; second++) {
    seed = random(seed);
    stand.shiftMs += 1_000;
    stand.open = [problemOf(`p-${seed % 50}`, { kind: "certificate" })];
    stand.closed = Array.from({ length: 50 }, (_, index) => closed(problemOf(`p-${index}`)));
    stand.advance();
  }
  stand.advance();
  const { alerts, told } = stand.store.alerts();
  expect(told.length).toBeLessThanOrEqual(50);
  expect(alerts.length).toBeLessThanOrEqual(maxWaiting + 500);
}, 60_000);
