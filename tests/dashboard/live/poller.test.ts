import { beforeEach, describe, expect, test } from "bun:test";
import { SnapshotPoller, type Viewer } from "../../../src/dashboard/live/poller.ts";
import { eventOf, renderedOnce, streamOf } from "../../../src/dashboard/live/sse.ts";
import type { DashboardState } from "../../../src/wording/verdict.ts";

let time = 0;
let polls = 0;
let timers: Array<{ due: number; task: () => void }> = [];
let bugs: unknown[] = [];

function newPoller(failing: readonly number[] = []): SnapshotPoller {
  return new SnapshotPoller({
    async poll() {
      polls += 1;
      if (failing.includes(polls)) throw new Error(`poll ${polls}`);
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
  [time, polls, timers, bugs] = [0, 0, [], []];
});

describe("the poller", () => {
  test("does not poll without viewers", async () => {
    newPoller();
    await pass(60_000);
    expect(polls).toBe(0);
  });

  test("polls once a second for any number of viewers", async () => {
    const shared = newPoller();
    const viewers = [viewer(), viewer(), viewer()];
    for (const each of viewers) shared.watch(each);
    await pass(10_000);
    expect(polls).toBe(11);
    expect(viewers.map(({ seen }) => seen)).toEqual([11, 11, 11]);
  });

  test("rests again when the last viewer is gone", async () => {
    const shared = newPoller();
    const leave = [shared.watch(viewer()), shared.watch(viewer())];
    await pass(2_000);
    for (const each of leave) each();
    const before = polls;
    await pass(60_000);
    expect(polls).toBe(before);
    expect(timers).toEqual([]);
  });

  test("stops also when the last viewer leaves during a poll", async () => {
    const shared = newPoller();
    shared.watch(viewer())();
    await pass(60_000);
    expect(polls).toBe(1);
  });

  test("shares one state among all callers within a second", async () => {
    const shared = newPoller();
    const [first, second] = await Promise.all([shared.current(), shared.current()]);
    expect(second).toBe(first);
    time += 999;
    expect(await shared.current()).toBe(first);
    time += 1;
    expect(await shared.current()).not.toBe(first);
    expect(polls).toBe(2);
  });

  test("renews with a poll that starts after the call, and shows it to all viewers", async () => {
    const shared = newPoller();
    const witness = viewer();
    shared.watch(witness);
    await shared.renewed();
    expect(polls).toBe(2);
    expect(witness.seen).toBe(2);
    await pass(1_000);
    expect(polls).toBe(3);
  });

  test("polls again after a poll that throws, for viewers and for callers", async () => {
    const poller = newPoller([1, 3]);
    expect(await poller.current().catch(String)).toBe("Error: poll 1");
    expect((await poller.renewed()).at).toBe(time);
    const one = viewer();
    poller.watch(one);
    await pass(3_000);
    expect([polls, one.seen, one.ended]).toEqual([6, 3, 0]);
    // The caller of the first one has its error.
    expect(bugs.map(String)).toEqual(["Error: poll 3"]);
  });

  test("ends a viewer that throws, and no other", async () => {
    const shared = newPoller();
    const good = viewer();
    const broken = { ...viewer(), show: () => { throw new Error("broken"); } }; // prettier-ignore
    shared.watch(broken);
    shared.watch(good);
    await pass(2_000);
    expect(broken.ended).toBe(1);
    expect(good.seen).toBe(3);
    expect(bugs).toHaveLength(1);
  });

  test("ends all viewers when it closes", async () => {
    const shared = newPoller();
    const viewers = [viewer(), viewer()];
    for (const each of viewers) shared.watch(each);
    shared.close();
    expect(viewers.map(({ ended }) => ended)).toEqual([1, 1]);
    await pass(10_000);
    expect(shared.viewers).toBe(0);
    expect(polls).toBe(1);
  });
});

describe("the live stream", () => {
  test("gives every line its own data field", () => {
    expect(eventOf("a\nb\r\nc")).toBe("data: a\ndata: b\ndata: c\n\n");
    expect(eventOf("a\nb", "history")).toBe("event: history\ndata: a\ndata: b\n\n");
  });

  test("renders a state once for all viewers", async () => {
    let rendered = 0;
    const bytesOf = renderedOnce(() => eventOf(`<p>${(rendered += 1)}</p>`));
    const shared = newPoller();
    const readers = [streamOf(shared, bytesOf).getReader(), streamOf(shared, bytesOf).getReader()];
    await settle();
    for (const reader of readers) {
      expect(await textOf(reader)).toBe(":\n\n");
      expect(await textOf(reader)).toBe("data: <p>1</p>\n\n");
    }
    expect(rendered).toBe(1);
  });

  test("renders relative to the last state seen, once for all viewers with the same one", async () => {
    const rendered: string[] = [];
    const bytesOf = renderedOnce((state: DashboardState, seen) => {
      rendered.push(`${seen?.at ?? "none"} to ${state.at}`);
      return eventOf(rendered.at(-1) ?? "");
    });
    const shared = newPoller();
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
    const shared = newPoller();
    const reader = streamOf(
      shared,
      renderedOnce((state) => eventOf(String(state.at))),
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
