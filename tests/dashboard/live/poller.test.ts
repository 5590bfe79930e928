import { beforeEach, describe, expect, test } from "bun:test";
import { SnapshotPoller, type Viewer } from "../../../src/dashboard/live/poller.ts";
import { eventOf, renderedOnce, streamOf } from "../../../src/dashboard/live/sse.ts";
import type { DashboardState } from "../../../src/wording/verdict.ts";

let time = 0;
let drawn = 0;
let timers: Array<{ due: number; task: () => void }> = [];
let bugs: unknown[] = [];

function feed(): SnapshotPoller {
  return new SnapshotPoller({
    async poll() {
      drawn += 1;
      return { at: time } as DashboardState;
    },
    schedule(delayMs, task) {
      const timer = { due: time + delayMs, task };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    wallClock: () => time,
    intervalMs: 1_000,
    bug: (error) => void bugs.push(error),
  });
}

/** Lets everything that waits for no timer happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function pass(durationMs: number): Promise<void> {
  const end = time + durationMs;
  for (;;) {
    await settle();
    const next = timers.toSorted((left, right) => left.due - right.due)[0];
    if (!next || next.due > end) break;
    timers = timers.filter((other) => other !== next);
    time = next.due;
    next.task();
  }
  time = end;
  await settle();
}

function viewer(): Viewer & { seen: number; ended: number } {
  return {
    seen: 0,
    ended: 0,
    show() {
      this.seen += 1;
    },
    end() {
      this.ended += 1;
    },
  };
}

beforeEach(() => {
  [time, drawn, timers, bugs] = [0, 0, [], []];
});

describe("the feed", () => {
  test("draws nothing while nobody looks", async () => {
    feed();
    await pass(60_000);
    expect(drawn).toBe(0);
  });

  test("draws once a second for any number of viewers", async () => {
    const shared = feed();
    const viewers = [viewer(), viewer(), viewer()];
    for (const each of viewers) shared.watch(each);
    await pass(10_000);
    expect(drawn).toBe(11);
    expect(viewers.map(({ seen }) => seen)).toEqual([11, 11, 11]);
  });

  test("rests again when the last viewer is gone", async () => {
    const shared = feed();
    const leave = [shared.watch(viewer()), shared.watch(viewer())];
    await pass(2_000);
    for (const each of leave) each();
    const before = drawn;
    await pass(60_000);
    expect(drawn).toBe(before);
    expect(timers).toEqual([]);
  });

  test("rests also when the last viewer goes while a picture is drawn", async () => {
    const shared = feed();
    shared.watch(viewer())();
    await pass(60_000);
    expect(drawn).toBe(1);
  });

  test("shares one picture among all who ask within a second", async () => {
    const shared = feed();
    const [first, second] = await Promise.all([shared.current(), shared.current()]);
    expect(second).toBe(first);
    time += 999;
    expect(await shared.current()).toBe(first);
    time += 1;
    expect(await shared.current()).not.toBe(first);
    expect(drawn).toBe(2);
  });

  test("renews with a picture that was begun after the call, and shows it to everybody", async () => {
    const shared = feed();
    const witness = viewer();
    shared.watch(witness);
    await shared.renewed();
    expect(drawn).toBe(2);
    expect(witness.seen).toBe(2);
    await pass(1_000);
    expect(drawn).toBe(3);
  });

  test("ends a viewer that throws, and no other", async () => {
    const shared = feed();
    const good = viewer();
    const broken = { ...viewer(), show: () => { throw new Error("broken"); } }; // prettier-ignore
    shared.watch(broken);
    shared.watch(good);
    await pass(2_000);
    expect(broken.ended).toBe(1);
    expect(good.seen).toBe(3);
    expect(bugs).toHaveLength(1);
  });

  test("ends everybody when it closes", async () => {
    const shared = feed();
    const viewers = [viewer(), viewer()];
    for (const each of viewers) shared.watch(each);
    shared.close();
    expect(viewers.map(({ ended }) => ended)).toEqual([1, 1]);
    await pass(10_000);
    expect(shared.viewers).toBe(0);
    expect(drawn).toBe(1);
  });
});

describe("the live stream", () => {
  test("gives every line its own data field", () => {
    expect(eventOf("a\nb\r\nc")).toBe("data: a\ndata: b\ndata: c\n\n");
    expect(eventOf("a\nb", "history")).toBe("event: history\ndata: a\ndata: b\n\n");
  });

  test("renders a picture once for all viewers", async () => {
    let rendered = 0;
    const bytesOf = renderedOnce(() => eventOf(`<p>${(rendered += 1)}</p>`));
    const shared = feed();
    const readers = [streamOf(shared, bytesOf).getReader(), streamOf(shared, bytesOf).getReader()];
    await settle();
    for (const reader of readers) {
      expect(await textOf(reader)).toBe(":\n\n");
      expect(await textOf(reader)).toBe("data: <p>1</p>\n\n");
    }
    expect(rendered).toBe(1);
  });

  test("renders for each what it has seen last, once for all who have seen the same", async () => {
    const rendered: string[] = [];
    const bytesOf = renderedOnce((picture: DashboardState, seen) => {
      rendered.push(`${seen?.at ?? "none"} to ${picture.at}`);
      return eventOf(rendered.at(-1) ?? "");
    });
    const shared = feed();
    const viewers = [streamOf(shared, bytesOf).getReader(), streamOf(shared, bytesOf).getReader()];
    const read = async () => {
      for (const reader of viewers) await textOf(reader);
      await settle();
    };
    await settle();
    for (let i = 0; i < 2; i++) await read();
    await pass(1_000);
    await read();
    viewers.push(streamOf(shared, bytesOf).getReader());
    await pass(1_000);
    expect(rendered).toEqual(["none to 0", "0 to 1000", "1000 to 2000", "none to 2000"]);
  });

  test("keeps next to nothing for a viewer that does not read, and leaves with it", async () => {
    const shared = feed();
    const reader = streamOf(
      shared,
      renderedOnce((picture) => eventOf(String(picture.at))),
    ).getReader();
    await pass(30_000);
    expect(await textOf(reader)).toBe(":\n\n");
    expect(await textOf(reader)).toBe("data: 0\n\n");
    const next = textOf(reader);
    await pass(1_000);
    expect(await next).toBe("data: 31000\n\n");
    await reader.cancel();
    expect(shared.viewers).toBe(0);
  });
});

async function textOf(reader: {
  read(): Promise<{ readonly value?: Uint8Array | undefined }>;
}): Promise<string> {
  return new TextDecoder().decode((await reader.read()).value);
}
