/**
 * Loaded before a program, it makes clock, wall clock and timers of the process run at a multiple of their pace, so that a
 * threshold of two minutes takes seconds. Everything outside keeps its pace: an upstream that answers after 20 ms has a
 * latency of 200 ms at ten times the pace. See `fastTime` in `program.ts`.
 */

const pace = Number(process.env["TIME_PACE"]);

const { setTimeout: realTimeout } = globalThis;
const realNow = performance.now.bind(performance);
const [startedAt, startedNow] = [Date.now(), realNow()];
const passedMs = () => (realNow() - startedNow) * pace;

performance.now = () => startedNow + passedMs();
Date.now = () => Math.floor(startedAt + passedMs());
globalThis.setTimeout = Object.assign(
  (task: (...words: unknown[]) => void, delayMs = 0, ...words: unknown[]) =>
    realTimeout(task, delayMs / pace, ...words),
  realTimeout,
);

export {};
