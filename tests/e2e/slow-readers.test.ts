import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("slow-readers");

/** More than the buffers between an upstream and a client hold, also where the runtime reads ahead. */
const large = Buffer.alloc(16 * 1024 * 1024, "x");
/** What a page may have: many of these do not fill the memory of the system. */
const medium = large.subarray(0, 4 * 1024 * 1024);
const headFor = ({ length }: Buffer) =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${length}\r\n\r\n`;
const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const event = "9\r\ndata: 1\n\n\r\n";

/** The program in front of a server that responds with a large body, with a stream of events, or at once. */
async function startBalancer(engine: string, pool: object, ...flags: readonly string[]) {
  const programs = new Programs();
  const origin = await startOrigin(({ target }, socket) => {
    if (target === "/large" || target === "/medium") {
      const body = target === "/large" ? large : medium;
      socket.write(headFor(body));
      socket.write(body);
    } else if (target === "/events") socket.write(streamHead + event);
    else if (target === "/ok") socket.write(respondWith("ok"));
  });
  const file = inFolder(`${engine}.json`);
  writeFileSync(file, JSON.stringify({ pools: { main: { ...pool, upstreams: [origin.url] } } }));
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--config", file],
    ...["--engine", engine, ...flags],
  );
  const port = await proxy.port("balancer");
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const clients: RawClient[] = [];
  return {
    clients,
    get: (target: string, headers = {}) => fetch(`http://127.0.0.1:${port}${target}`, { headers }),
    async upstream(): Promise<UpstreamSnapshot> {
      const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
      return snapshot.pools[0]?.upstreams[0] as UpstreamSnapshot;
    },
    metrics: async () => (await fetch(`${admin}/metrics`)).text(),
    /** Opens connections that ask for `target` and read nothing more once the head has come. */
    async stall(count: number, target: string): Promise<void> {
      const opened = await Promise.all(Array.from({ length: count }, () => RawClient.connect(port)));
      clients.push(...opened);
      for (const client of opened) {
        client.socket.once("data", () => void client.socket.pause());
        client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await programs[Symbol.asyncDispose]();
      await origin.close();
    },
  };
}

type Balancer = Awaited<ReturnType<typeof startBalancer>>;

async function expectAnswers({ get }: Balancer, count: number): Promise<void> {
  const statuses = await Promise.all(
    Array.from({ length: count }, async () => {
      const response = await get("/ok");
      await response.text();
      return response.status;
    }),
  );
  expect(statuses).toEqual(Array.from({ length: count }, () => 200));
}

describe.each(engineNames)("the %s engine", (engine) => {
  test("by default serves everybody beside 300 clients that do not read, and 300 event streams", async () => {
    await using balancer = await startBalancer(engine, {});
    await balancer.stall(300, "/medium");
    await balancer.stall(300, "/events");
    await until(async () => (await balancer.upstream()).streams === 300, "300 event streams", 20_000);
    expect(await balancer.upstream()).toMatchObject({ maxInFlight: null, fit: true });
    await expectAnswers(balancer, 20);
    expect(balancer.clients.filter(({ isClosed }) => isClosed)).toEqual([]);
  }, 60_000);

  test("with maxInFlight serves everybody beside as many clients that do not read", async () => {
    // Longer than by default: a busy machine may look for slow readers late.
    const queue = { maxWaiting: 100, timeout: "20s" };
    await using balancer = await startBalancer(engine, { maxInFlight: 4, queue });
    await balancer.stall(4, "/large");
    await until(async () => (await balancer.upstream()).fit === false, "all slots to be taken");
    // They come back, and more of them than there are slots.
    for (let round = 0; round < 2; round++) {
      await expectAnswers(balancer, 3);
      await balancer.stall(4, "/large");
    }
    await expectAnswers(balancer, 3);
    // The last of them may still wait for a place of others.
    await until(
      async () => (await balancer.upstream()).streams >= 8,
      "eight responses without a place",
      10_000,
    );
    expect(await balancer.metrics()).toMatch(/^evenkeel_upstream_streams\{[^}]*\} ([89]|1\d)$/m);
  }, 60_000);

  test("with maxInFlight serves everybody beside more event streams", async () => {
    await using balancer = await startBalancer(engine, { maxInFlight: 4 });
    await balancer.stall(20, "/events");
    await until(async () => (await balancer.upstream()).streams === 20, "20 event streams");
    await expectAnswers(balancer, 10);
  });

  test("names the settings in a 503", async () => {
    const queue = { maxWaiting: 1, timeout: "300ms" };
    await using balancer = await startBalancer(engine, { maxInFlight: 1, queue });
    await balancer.stall(1, "/silent");
    await until(async () => (await balancer.upstream()).fit === false, "the slot to be taken");
    const answers = await Promise.all([1, 2].map(async () => (await balancer.get("/ok")).text()));
    expect(answers.toSorted()).toEqual([
      expect.stringMatching(/^503 queue_full: .*maxInFlight.*queue\.maxWaiting/),
      expect.stringMatching(/^503 queue_timeout: .*maxInFlight.*queue\.timeout/),
    ]);
  });
});
