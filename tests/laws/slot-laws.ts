/** What engines must do with the slots of responses: event streams take none, and slow readers give theirs up. */

import { expect } from "bun:test";
import type { Socket } from "node:net";

import type { Engine } from "../../src/engine/engine.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const head = (type: string, framing: string) =>
  `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${framing}\r\n\r\n`;
const event = "9\r\ndata: 1\n\n\r\n";
/** More than the buffers of the system and the runtime hold. */
const largeBytes = 64 * 1024 * 1024;

interface SlotSetup {
  readonly fixture: EngineFixture;
  readonly upstream: Upstream;
  /** Connections on which a stream of events is open. */
  readonly streams: readonly Socket[];
  /** Connections on which a large body is sent. */
  readonly larges: readonly Socket[];
}

/** An upstream with two slots that responds with events, with a large body, or at once. */
async function withSlots(engine: Engine, run: (setup: SlotSetup) => Promise<void>): Promise<void> {
  const streams: Socket[] = [];
  const larges: Socket[] = [];
  const origin = await startOrigin(({ target }, socket) => {
    if (target.startsWith("/events")) {
      streams.push(socket);
      const type = decodeURIComponent(target.slice("/events?".length));
      socket.write(head(type, "Transfer-Encoding: chunked") + event);
    } else if (target === "/large") {
      larges.push(socket);
      socket.write(head("application/octet-stream", `Content-Length: ${largeBytes}`));
      const piece = Buffer.alloc(1024 * 1024, "x");
      for (let sent = 0; sent < largeBytes; sent += piece.length) socket.write(piece);
    } else socket.write(respondWith("ok"));
  });
  const fixture = await startEngine(engine, {
    ports: [origin.port],
    queue: { maxWaiting: 9, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 2 },
    timeouts: { bodyIdleMs: 60_000 },
    clientTimeouts: { bodyIdleMs: 60_000 },
  });
  try {
    const [upstream] = fixture.pool.upstreams as [Upstream];
    await run({ fixture, upstream, streams, larges });
    await until(() => upstream.inFlight === 0, "all attempts to end");
    expect([upstream.tunnels, upstream.streams, fixture.bugs]).toEqual([0, 0, []]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

/** Clients that ask for the large body and read nothing of it once its head has come. */
async function startSlowReaders({ fixture, upstream }: SlotSetup, count: number): Promise<RawClient[]> {
  const readers: RawClient[] = [];
  for (let i = 0; i < count; i++) {
    const reader = await RawClient.connect(fixture.port);
    reader.send(get("/large"));
    await until(() => reader.received.length > 0, "the head of a large response");
    reader.socket.pause();
    readers.push(reader);
  }
  await until(() => upstream.inFlight === count, "a slot to be taken by each reader");
  return readers;
}

/** Asks all open responses for their slots, as the queue does while others wait. @returns how many were freed */
function askForSlots(upstream: Upstream, now: number): number {
  let freed = 0;
  for (let attempt = upstream.responding.oldest; attempt;) {
    const { next } = attempt;
    if (attempt.driver?.yieldSlot?.(attempt, now)) freed += 1;
    attempt = next;
  }
  return freed;
}

/** Waits until all buffers on the way are full, so that nothing moves any more. */
async function standstill({ larges }: SlotSetup): Promise<void> {
  let last = -1;
  let since = performance.now();
  await until(() => {
    const sum = larges.reduce((total, { writableLength }) => total + writableLength, 0);
    if (sum !== last) [last, since] = [sum, performance.now()];
    return performance.now() - since > 500;
  }, "the readers to stand still");
}

export const slotLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "does not count an event stream against the slots once its head has gone": (engine) =>
    withSlots(engine, async ({ fixture, upstream, streams }) => {
      const types = ["text/event-stream", "Text/Event-Stream", "text/event-stream;charset=utf-8"];
      const clients = await Promise.all([...types, ...types].map(() => RawClient.connect(fixture.port)));
      for (const [index, client] of clients.entries()) {
        client.send(get(`/events?${encodeURIComponent(types[index % types.length] as string)}`));
        await until(() => upstream.streams === index + 1, `event stream ${index + 1}`);
      }
      expect(upstream.inFlight).toBe(clients.length);
      expect((await sendRequest(fixture.port, get("/"))).body.toString()).toBe("ok");
      for (const socket of streams) socket.write(event);
      await until(
        () => clients.every((client) => client.received.toString().split("data: 1").length === 3),
        "two events on each stream",
      );
      for (const client of clients) client.destroy();
    }),

  "counts other endless responses against the slots while their upstream sets the pace": (engine) =>
    withSlots(engine, async ({ fixture, upstream }) => {
      const types = ["text/event-streams", "application/x-ndjson"];
      const clients = await Promise.all(types.map(() => RawClient.connect(fixture.port)));
      for (const [index, client] of clients.entries())
        client.send(get(`/events?${encodeURIComponent(types[index] as string)}`));
      await until(() => clients.every((client) => client.received.length > 0), "both streams");
      expect([upstream.inFlight, upstream.streams, upstream.hasCapacity]).toEqual([2, 0, false]);
      const now = systemClock();
      for (const ms of [0, 2_500, 5_000]) expect(askForSlots(upstream, now + ms)).toBe(0);
      for (const client of clients) client.destroy();
    }),

  "frees the slots of clients that read their responses slowly, but only when other requests wait": (
    engine,
  ) =>
    withSlots(engine, async (setup) => {
      const { fixture, upstream } = setup;
      const readers = await startSlowReaders(setup, 2);
      await standstill(setup);
      expect([upstream.hasCapacity, upstream.streams]).toEqual([false, 0]);
      expect((await sendRequest(fixture.port, get("/"))).body.toString()).toBe("ok");
      expect(upstream.streams).toBeGreaterThan(0);
      expect(readers.map(({ isClosed }) => isClosed)).toEqual([false, false]);
      // Whoever reads on gets all of the response.
      for (const { socket } of readers) socket.resume();
      await until(
        () => readers.every(({ socket }) => socket.bytesRead > largeBytes),
        "whole responses for both",
        20_000,
      );
      for (const reader of readers) reader.destroy();
    }),

  "ends responses that are still read too slowly while others wait in spite of the freed slots": (engine) =>
    withSlots(engine, async (setup) => {
      const { upstream } = setup;
      const readers = await startSlowReaders(setup, 2);
      await standstill(setup);
      // Time passes faster here. Buffers that grow late may move once more, and the measurement begins anew.
      let now = systemClock();
      let freed = 0;
      expect(askForSlots(upstream, now)).toBe(0);
      await until(() => (freed += askForSlots(upstream, (now += 2_000))) === 2, "both slots to be freed");
      const freedAt = now;
      expect([upstream.inFlight, upstream.streams]).toEqual([2, 2]);
      await until(() => {
        askForSlots(upstream, (now += 1_000));
        return upstream.inFlight === 0;
      }, "both responses to end");
      expect(now - freedAt).toBeGreaterThanOrEqual(5_000);
      for (const { socket } of readers) socket.resume();
      await until(() => readers.every(({ isClosed }) => isClosed), "both clients to be cut");
      expect(readers.every(({ socket }) => socket.bytesRead < largeBytes)).toBe(true);
    }),
};
