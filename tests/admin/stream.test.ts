import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { EventStream, streamRoutes } from "../../src/admin/event-stream.ts";
import { EventLog } from "../../src/control/event-log.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { WebListener } from "../../src/runtime/runtime.ts";
import type { ProblemChange } from "../../src/problems/problem.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { FakeTime } from "../support/fake-time.ts";
import { poolOf, SimulatedBalancer } from "../problems/simulated-balancer.ts";
import { until } from "../support/wait.ts";

const open: WebListener[] = [];
afterAll(() => open.forEach((listener) => listener.close()));

/** The stream behind a real listener, with fake time. */
async function stand(bytesOfSnapshot = 10) {
  const time = new FakeTime();
  const eventLog = new EventLog({
    store: { events: () => [], eventsBetween: () => [], record: () => {} },
    wallClock: () => time.clock(),
    schedule: time.schedule,
    log: { error: () => {} },
  });
  let snapshots = 0;
  const watchers = new Set<(change: ProblemChange) => void>();
  const filler = "x".repeat(bytesOfSnapshot);
  const stream = new EventStream({
    control: {
      events: (query) => eventLog.events(query),
      watch: (onEvent) => eventLog.watch(onEvent),
    },
    problems: {
      watch(onChange) {
        watchers.add(onChange);
        return () => void watchers.delete(onChange);
      },
    },
    snapshot: () => ({ at: ++snapshots, filler }) as unknown as Snapshot,
    schedule: time.schedule,
  });
  const app = streamRoutes(stream, { eventFilter: (query) => query });
  const listener = await runtime.serve({
    hostname: "127.0.0.1",
    port: 0,
    handle: (request) => app.fetch(request),
  });
  open.push(listener);
  const add = (to: string, upstream = "a"): BalancerEvent => {
    const named = { pool: "main", upstream, from: "", reason: "operator", by: "ann", detail: "" };
    const event = eventLog.add({ kind: "mode", to, ...named });
    void time.advance(0);
    return event;
  };
  const changeProblem = (change: ProblemChange) => watchers.forEach((onChange) => onChange(change));
  return { time, stream, watchers, changeProblem, add, port: listener.port, snapshots: () => snapshots };
}

/** Reads the messages of a stream. */
class StreamReader {
  text = "";
  isOver = false;
  readonly #controller = new AbortController();

  static async of(url: string, headers: Record<string, string> = {}): Promise<StreamReader> {
    const reading = new StreamReader();
    const response = await fetch(url, { headers, signal: reading.#controller.signal });
    expect(response.status).toBe(200);
    void reading.#read(response);
    await until(() => reading.text.startsWith("retry: 1000\n\n"), "the greeting");
    return reading;
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) this.text += decoder.decode(chunk, { stream: true });
    } catch {
      // Ended from either side.
    }
    this.isOver = true;
  }

  get events(): { id: string; event: BalancerEvent }[] {
    return [...this.text.matchAll(/^event: event\nid: (\d+)\ndata: (.*)\n\n/gm)].map(
      ([, id = "", data = ""]) => ({
        id,
        event: JSON.parse(data) as BalancerEvent,
      }),
    );
  }

  get values(): string {
    return this.events.map(({ event }) => event.to).join(" ");
  }

  count(pattern: RegExp): number {
    return [...this.text.matchAll(pattern)].length;
  }

  leave(): void {
    this.#controller.abort();
  }
}

describe("the stream", () => {
  test("sends every event when it happens, to every client, with its number as id", async () => {
    const { add, port, stream } = await stand();
    add("before");
    const url = `http://127.0.0.1:${port}/api/stream`;
    const readings = await Promise.all([
      StreamReader.of(url),
      StreamReader.of(url),
      StreamReader.of(`${url}?upstream=b`),
    ]);
    const sent = [add("one"), add("two"), add("three", "b")];
    await until(() => readings[1]?.values === "one two three", "the events");
    expect(readings[0]?.events).toEqual(sent.map((event) => ({ id: String(event.seq), event })));
    await until(() => readings[2]?.values === "three", "the event of b alone");
    for (const reading of readings) reading.leave();
    await until(() => stream.clients === 0, "all clients to leave");
  });

  test("sends each change of a problem to the clients that asked for its pool and upstream", async () => {
    const { changeProblem, watchers, port, stream } = await stand();
    const url = `http://127.0.0.1:${port}/api/stream`;
    const all = await StreamReader.of(url);
    const ofPool = await StreamReader.of(`${url}?pool=main`);
    const ofOther = await StreamReader.of(`${url}?upstream=other`);
    const pool = poolOf("main", 6);
    pool.upstream(1).errorShare = 0.3;
    for (const change of new SimulatedBalancer([pool]).run(90).changes) changeProblem(change);
    changeProblem({
      ...(new SimulatedBalancer([pool]).run(60).changes[0] as ProblemChange),
      change: "closed",
    });
    const changes = (reader: StreamReader) =>
      [...reader.text.matchAll(/^event: problem\ndata: (.*)\n\n/gm)].map(
        ([, data = ""]) => JSON.parse(data) as ProblemChange,
      );
    await until(() => changes(all).length === 2 && changes(ofPool).length === 2, "the changes");
    expect(changes(all).map(({ change, problem }) => `${change} ${problem.title}`)).toEqual([
      "opened main-01 answers 30 % of its requests with 500",
      "closed main-01 answers 30 % of its requests with 500",
    ]);
    expect(changes(ofOther)).toEqual([]);
    for (const reader of [all, ofPool, ofOther]) reader.leave();
    await until(() => stream.clients === 0, "all clients to leave");
    expect(watchers.size).toBe(0);
  });

  test("resumes after Last-Event-ID, and begins with the next event without it", async () => {
    const { add, port } = await stand();
    const [first] = [add("one"), add("two"), add("three")];
    const url = `http://127.0.0.1:${port}/api/stream`;
    const back = await StreamReader.of(url, { "Last-Event-ID": String(first.seq) });
    const byQuery = await StreamReader.of(`${url}?after=${first.seq}`);
    const fresh = await StreamReader.of(url, { "Last-Event-ID": "nonsense" });
    add("four");
    await until(() => fresh.values === "four", "the event");
    await until(
      () => back.values === "two three four" && byQuery.values === back.values,
      "the events missed",
    );
    for (const reading of [back, byQuery, fresh]) reading.leave();
  });

  test("sends snapshots at the interval of each client, built once for all, and none without a client for them", async () => {
    const { time, port, stream, snapshots } = await stand();
    const url = `http://127.0.0.1:${port}/api/stream`;
    const plain = await StreamReader.of(url);
    for (let second = 0; second < 5; second++) await time.advance(1_000);
    expect(snapshots()).toBe(0);
    const everySecond = await StreamReader.of(`${url}?snapshots=1s`);
    const everyThird = await StreamReader.of(`${url}?snapshots=3s`);
    const another = await StreamReader.of(`${url}?snapshots=1s`);
    expect(snapshots()).toBe(3);
    for (let second = 0; second < 6; second++) {
      await time.advance(1_000);
      await until(() => everySecond.count(/^event: snapshot$/gm) === second + 2, "the snapshot");
    }
    expect(snapshots()).toBe(9);
    await until(() => everyThird.count(/^event: snapshot$/gm) === 3, "every third");
    expect(everySecond.text).toContain('data: {"at":9,');
    expect(everySecond.count(/^id:/gm)).toBe(0);
    for (const reading of [plain, everySecond, everyThird, another]) reading.leave();
    await until(() => stream.clients === 0, "all clients to leave");
    await time.advance(60_000);
    expect(snapshots()).toBe(9);
    expect(time.waits).toEqual([]);
  });

  test("sends a comment every 15 s as a heartbeat", async () => {
    const { time, port } = await stand();
    const reading = await StreamReader.of(`http://127.0.0.1:${port}/api/stream`);
    for (let second = 0; second < 30; second++) await time.advance(1_000);
    await until(() => reading.count(/^:\n\n/gm) === 2, "two comments");
    reading.leave();
  });

  test("accepts a hundred clients and refuses the next one", async () => {
    const { port, stream } = await stand();
    const url = `http://127.0.0.1:${port}/api/stream`;
    const readings = await Promise.all(Array.from({ length: 100 }, () => StreamReader.of(url)));
    const refused = await fetch(url);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("10");
    expect(await refused.json()).toMatchObject({ reason: "listeners_full" });
    readings[0]?.leave();
    await until(() => stream.clients === 99, "one to leave");
    (await StreamReader.of(url)).leave();
    for (const reading of readings) reading.leave();
    await until(() => stream.clients === 0, "all clients to leave");
  });

  test.each(["snapshots=0", "snapshots=500ms", "snapshots=2m", "snapshots=x", "after=-1", "after=x"])(
    "rejects ?%s and explains it",
    async (query) => {
      const { port, stream } = await stand();
      const response = await fetch(`http://127.0.0.1:${port}/api/stream?${query}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining("Cannot") });
      expect(stream.clients).toBe(0);
    },
  );

  test("sends nothing more to a client that does not read and disconnects it; others continue", async () => {
    const { time, add, port, stream, snapshots } = await stand(2_000_000);
    const well = await StreamReader.of(`http://127.0.0.1:${port}/api/stream`);
    const socket = connect(port, "127.0.0.1");
    let isAborted = false;
    socket.on("error", () => {}).on("close", () => (isAborted = true));
    socket.pause();
    socket.write("GET /api/stream?snapshots=1s HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => stream.clients === 2, "the reader");
    for (let second = 0; second < 12; second++) {
      await time.advance(1_000);
      await until(() => snapshots() === second + 2, "the snapshot");
    }
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    for (let second = 12; second < 50 && stream.clients === 2; second++) {
      await time.advance(1_000);
      await Bun.sleep(0);
    }
    expect(stream.clients).toBe(1);
    // Garbage does not count: only data buffered for the client would grow.
    Bun.gc(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(40_000_000);
    add("still");
    await until(() => well.values === "still", "the others");
    socket.resume();
    await until(() => isAborted, "the disconnect");
    well.leave();
  }, 20_000);
});

describe("the real balancer's stream", () => {
  test("sends a drain, and resumes after a restart where the client was", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    const first = await StreamReader.of(`${fixture.admin}/api/stream?upstream=a&snapshots=1s`);
    await fixture.callAdmin("POST", "/api/upstreams/a/drain?wait=5s", { reason: "kernel" });
    await until(() => first.values === "draining drained", "the drain");
    expect(first.text).toContain('event: snapshot\ndata: {"at":');
    const last = first.events.at(-1)?.id ?? "";
    await fixture.callAdmin("POST", "/api/upstreams/a/mode", { mode: "ready" });
    // Stored before the process ends, so that it can be sent afterwards.
    await fixture.proxy.kill("SIGTERM");
    await until(() => first.isOver, "the end");
    await fixture.restart();
    const back = await StreamReader.of(`${fixture.admin}/api/stream?upstream=a`, { "Last-Event-ID": last });
    await until(() => back.values.startsWith("ready"), "what was missed");
    back.leave();
  }, 30_000);
});
