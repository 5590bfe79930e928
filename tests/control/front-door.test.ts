import { expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { FrontDoorMonitor } from "../../src/control/front-door.ts";
import { type Schedule, systemClock, systemWallClock } from "../../src/lib/clock.ts";
import { probeWith } from "../../src/probe/probe.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { until } from "../support/wait.ts";

/** A public address that answers with a status, or cuts the connection with 0; its waits are noted and take no time. */
class FrontDoorStand implements AsyncDisposable {
  status = 200;
  tries = 0;
  readonly waits: number[] = [];
  address: string | undefined;
  readonly #server = createServer((_, response) => {
    this.tries += 1;
    if (this.status === 0) response.destroy();
    else response.writeHead(this.status).end();
  });
  #next: (() => void) | undefined;
  readonly monitor = new FrontDoorMonitor({
    address: () => this.address,
    probe: probeWith(runtime, systemClock),
    wallClock: systemWallClock,
    schedule: ((delayMs, task) => {
      this.waits.push(delayMs);
      this.#next = task;
      return () => (this.#next = undefined);
    }) satisfies Schedule,
    log: { error() {} } as never,
  });

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/public?from=balancer`;
    this.monitor.start();
    return this;
  }

  /** One try, until the next one is due. */
  async try(status: number): Promise<void> {
    this.status = status;
    const next = this.#next;
    this.#next = undefined;
    next?.();
    await until(() => this.#next !== undefined, "the end of the try");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.monitor.stop();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

test("three bad tries in a row close it, three good ones open it, and the tries in between come sooner", async () => {
  await using stand = await new FrontDoorStand().start();
  const { monitor } = stand;
  await stand.try(200);
  await stand.try(503);
  await stand.try(0);
  await stand.try(404);
  expect(monitor.closed).toBeUndefined();
  expect(stand.waits).toEqual([0, 10_000, 5_000, 5_000, 10_000]);
  const since = Date.now();
  await stand.try(502);
  await stand.try(0);
  expect(monitor.closed).toBeUndefined();
  await stand.try(503);
  expect(monitor.closed).toMatchObject({ address: stand.address, why: "status 503" });
  expect(monitor.closed?.since).toBeGreaterThanOrEqual(since);
  await stand.try(500);
  expect(monitor.closed?.why).toBe("status 500");
  await stand.try(200);
  await stand.try(301);
  expect(monitor.closed).toBeDefined();
  await stand.try(401);
  expect(monitor.closed).toBeUndefined();
  expect(stand.tries).toBe(11);
});

test("nothing is asked without an address, and another address begins with an open door", async () => {
  await using stand = await new FrontDoorStand().start();
  const asked = stand.address;
  for (let count = 0; count < 3; count++) await stand.try(503);
  expect(stand.monitor.closed).toBeDefined();
  stand.address = undefined;
  expect(stand.monitor.closed).toBeUndefined();
  await stand.try(503);
  expect(stand.tries).toBe(3);
  stand.address = asked;
  await stand.try(503);
  expect(stand.monitor.closed).toBeUndefined();
  stand.address = "http://127.0.0.1:9/";
  for (let count = 0; count < 3; count++) await stand.try(200);
  expect(stand.monitor.closed).toMatchObject({ address: "http://127.0.0.1:9/", why: "connection refused" });
});
