/** How finely and how long the past is kept, and which part of it each window shows. */

/** One resolution: a point every `stepMs`, the last `retentionMs` of them. */
export interface Resolution {
  readonly stepMs: number;
  readonly retentionMs: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** From fine to coarse; each step is a multiple of the one before. */
export const resolutions = [
  { stepMs: 1_000, retentionMs: 10 * minuteMs },
  { stepMs: 10_000, retentionMs: 6 * hourMs },
  { stepMs: minuteMs, retentionMs: 7 * dayMs },
] as const satisfies readonly Resolution[];

/** The levels that outlive the process. The finest one is only worth its while it is new, and lives in memory. */
export const storedResolutions: readonly Resolution[] = resolutions.slice(1);

/** How far a reader looks back. */
export interface Window {
  readonly spanMs: number;
  /** The level that it is drawn from, by its step. */
  readonly levelMs: number;
  /** Points nearer to each other than this are put together, so that no window has more than about 1,500. */
  readonly stepMs: number;
}

export const windows = {
  "5m": { spanMs: 5 * minuteMs, levelMs: 1_000, stepMs: 1_000 },
  "1h": { spanMs: hourMs, levelMs: 10_000, stepMs: 10_000 },
  "24h": { spanMs: dayMs, levelMs: minuteMs, stepMs: minuteMs },
  "7d": { spanMs: 7 * dayMs, levelMs: minuteMs, stepMs: 10 * minuteMs },
} as const satisfies Readonly<Record<string, Window>>;

export type WindowName = keyof typeof windows;

export const windowNames = Object.keys(windows) as readonly WindowName[];

/** The window with this name; undefined if there is none. */
export function windowNamed(name: string): WindowName | undefined {
  return windowNames.find((known) => known === name);
}
