import { describe, expect, test } from "bun:test";

import { runtime } from "#runtime";

import { successorsOf } from "../../src/commands/successor.ts";
import { Upgrader, type UpgraderOptions } from "../../src/commands/upgrade.ts";
import type { NewEvent } from "../../src/control/event-log.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { isGone } from "../support/program.ts";
import { until } from "../support/wait.ts";

const actor = { by: "ann", reason: "" };
const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Hands over to a real process that runs a script in place of the program. */
function setUp(script: string, more: Partial<UpgraderOptions> = {}) {
  const calls: string[] = [];
  const events: NewEvent[] = [];
  const upgrader: Upgrader = new Upgrader({
    ...{
      pid: process.pid,
      version: "1",
      generation: 2,
      since: 5,
      log: log as never,
      schedule: systemSchedule,
    },
    problem: () => undefined,
    sockets: () => [],
    state: () => ({ intents: [], events: [], secrets: { sticky: "s" }, adminPort: 7 }),
    release() {
      calls.push("release");
      return { intents: [], events: [], sessions: [] };
    },
    resume: async () => void calls.push("resume"),
    reload: async (by) => void calls.push(`reload by ${by}`),
    onReplaced: () => void calls.push("replaced"),
    start: successorsOf(
      [process.execPath, "-e", script],
      { PATH: process.env["PATH"] ?? "" },
      runtime.passDescriptors,
    ),
    record: (event) => void events.push(event),
    wallClock: () => 9,
    limits: { readyMs: 3_000, servingMs: 300 },
    ...more,
  });
  return { upgrader, calls, events };
}

const takesOver = `
process.send({ kind: "hello" });
process.on("message", (message) => {
  if (message.kind === "state") process.send({ kind: "ready", version: "2", seen: message });
  else process.send({ kind: "serving", version: "2" });
});
process.on("disconnect", () => process.exit(0));`;

describe("an upgrade", () => {
  test("releases when the new process is ready, and leaves when it serves", async () => {
    const { upgrader, calls } = setUp(takesOver);
    const report = await upgrader.run(actor);
    expect(report).toMatchObject({ upgraded: true, version: "2", why: "" });
    expect(calls).toEqual(["release", "replaced"]);
    expect([upgrader.isReplaced, upgrader.snapshot.isRunning]).toEqual([true, true]);
    expect(await upgrader.run(actor)).toMatchObject({
      status: 409,
      message: "Cannot upgrade: another process has taken over.",
    });
    // The channel is closed: the new process needs the old one no more.
    await until(() => isGone("pid" in report ? report.pid : 0), "the new process to see it");
  });

  test("to a process that stays silent ends at the deadline, kills it, and takes nothing back", async () => {
    let pid = 0;
    const start = successorsOf(
      [process.execPath, "-e", "setInterval(() => {}, 1000)"],
      {},
      runtime.passDescriptors,
    );
    const { upgrader, calls, events } = setUp("", {
      limits: { readyMs: 200, servingMs: 200 },
      start(...given) {
        const successor = start(...given);
        pid = successor.pid;
        return successor;
      },
    });
    expect(await upgrader.run(actor)).toEqual({
      upgraded: false,
      pid: process.pid,
      version: "1",
      why: "the new process was not ready within 0.2 s",
    });
    expect(isGone(pid)).toBe(true);
    expect(calls).toEqual([]);
    expect(events.map(({ kind, to, by, detail }) => [kind, to, by, detail])).toEqual([
      ["upgrade", "failed", "ann", "the new process was not ready within 0.2 s"],
    ]);
    expect(upgrader.snapshot).toEqual({
      generation: 2,
      since: 5,
      isRunning: false,
      failures: 1,
      failed: { at: 9, by: "ann", why: "the new process was not ready within 0.2 s" },
    });
  });

  test.each([
    ["does not serve in time", "", "the new process was not serving within 0.3 s"],
    ["ends after the release", "else process.exit(4);", "the new process ended with exit 4"],
    [
      "cannot use what it got",
      'else process.send({ kind: "failed", why: "no port" }, () => process.exit(2));',
      "no port",
    ],
  ])("to a process that %s takes files and ports back", async (_, step, why) => {
    const script = takesOver.replace('else process.send({ kind: "serving", version: "2" });', step);
    const { upgrader, calls } = setUp(script);
    expect(await upgrader.run(actor)).toMatchObject({ upgraded: false, why });
    expect(calls).toEqual(["release", "resume"]);
    expect([upgrader.isReleased, upgrader.isReplaced]).toEqual([false, false]);
  });

  test("to a program that is not there is a failure like any other", async () => {
    const { upgrader, calls } = setUp("", {
      start: successorsOf(["/no/such/evenkeel"], {}, runtime.passDescriptors),
    });
    expect(await upgrader.run(actor)).toMatchObject({
      upgraded: false,
      why: expect.stringMatching(/^the new process cannot be started \(ENOENT\b.*\)$/),
    });
    expect(calls).toEqual([]);
  });

  test("defers a reload until it has failed", async () => {
    const { upgrader, calls } = setUp(
      "process.on('message', () => {}); setTimeout(() => process.exit(1), 300)",
    );
    expect(upgrader.defersReload("SIGHUP")).toBe(false);
    const done = upgrader.run(actor);
    expect([upgrader.defersReload("SIGHUP"), upgrader.defersReload("watch")]).toEqual([true, true]);
    await done;
    expect(calls).toEqual(["reload by SIGHUP"]);
  });

  test("is abandoned when the process stops: the new one is killed", async () => {
    const { upgrader } = setUp("setInterval(() => {}, 1000)");
    const done = upgrader.run(actor);
    await upgrader.abandon();
    expect(await done).toMatchObject({ upgraded: false, why: "it had to stop in the meantime" });
  });

  test("is refused with the reason where it cannot be", async () => {
    const { upgrader } = setUp("", { problem: () => "the fetch engine cannot" });
    expect(await upgrader.run(actor)).toEqual({
      kind: "denied",
      status: 501,
      reason: "upgrade_unsupported",
      message: "Cannot upgrade: the fetch engine cannot.",
    });
  });
});
