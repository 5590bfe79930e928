import { expect, test } from "bun:test";

import { ServiceManager } from "../../src/commands/service-manager.ts";
import { FakeTime } from "../support/fake-time.ts";
import { temporaryFolder } from "../support/folder.ts";
import { NotifySocket } from "../support/notify-socket.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("notify");

function setUp(environment: Record<string, string>) {
  const warnings: unknown[] = [];
  const time = new FakeTime();
  const { PATH = "" } = process.env;
  const manager = new ServiceManager({
    environment: { PATH, ...environment },
    pid: 7,
    // As on a system whose C library cannot be loaded.
    calls: () => undefined,
    log: {
      debug() {},
      info() {},
      error() {},
      warn: (...line: unknown[]) => void warnings.push(line),
    } as never,
    schedule: time.schedule,
  });
  return { manager, time, warnings };
}

test.skipIf(Bun.which("systemd-notify") === null)(
  "without the C library, systemd-notify sends the messages",
  async () => {
    using socket = new NotifySocket(inFolder("program.sock"));
    const { manager, warnings } = setUp({ NOTIFY_SOCKET: socket.path });
    manager.ready("Serving\n0.0.0.0:80", true);
    expect(await socket.until("STATUS")).toEqual(["Serving 0.0.0.0:80"]);
    expect([socket.values("READY"), socket.values("MAINPID")]).toEqual([["1"], ["7"]]);
    manager.reloading();
    const [micros] = await socket.until("MONOTONIC_USEC");
    expect(Number(micros)).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
  },
);

test("a program that is missing costs one warning", async () => {
  const { manager, warnings } = setUp({ NOTIFY_SOCKET: "/no/such/socket", PATH: "/no/such/folder" });
  manager.ready("Serving");
  manager.stopping();
  await until(() => warnings.length > 0, "the warning");
  await Bun.sleep(50);
  expect(warnings).toHaveLength(1);
});

test("nothing is sent without a socket, or to one of another kind", () => {
  for (const NOTIFY_SOCKET of ["", "vsock:2:1234", "relative"]) {
    const { manager, time, warnings } = setUp({ NOTIFY_SOCKET, WATCHDOG_USEC: "1000000" });
    manager.ready("Serving");
    manager.watch(() => true);
    expect([time.waits, warnings]).toEqual([[], []]);
  }
});

test("signs of life stop while the work beside the event loop stands still", async () => {
  using socket = new NotifySocket(inFolder("life.sock"));
  const { manager, time } = setUp({
    NOTIFY_SOCKET: socket.path,
    WATCHDOG_USEC: "2000000",
    WATCHDOG_PID: "7",
  });
  if (Bun.which("systemd-notify") === null) return;
  let isAlive = true;
  manager.watch(() => isAlive);
  await socket.until("WATCHDOG");
  await time.advance(1_000);
  await socket.until("WATCHDOG", 2);
  isAlive = false;
  await time.advance(3_000);
  isAlive = true;
  await time.advance(1_000);
  await socket.until("WATCHDOG", 3);
  expect(socket.values("WATCHDOG")).toHaveLength(3);
});

test("signs of life have hours between them at most: a timer of years would fire all the time", () => {
  const { manager, time } = setUp({ NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "18446744073709551614" });
  manager.watch(() => true);
  expect(time.waits).toEqual([3_600_000]);
});
