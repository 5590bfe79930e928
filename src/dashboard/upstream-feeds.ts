/** One poller for each upstream that somebody looks at: what its page shows, beside the picture that all pages share. */

import type { UpstreamDetail } from "../detail.ts";
import type { SeriesHistory } from "../history/history.ts";
import type { AdminClient } from "./admin-client.ts";
import { SnapshotPoller, type SnapshotPollerOptions } from "./feed.ts";
import type { DashboardState, AdminApiError } from "./picture.ts";

export interface UpstreamPageState {
  readonly at: number;
  readonly picture: DashboardState;
  readonly id: string;
  /** The last one that could be read; undefined if none ever was. */
  readonly detail: UpstreamDetail | undefined;
  /** Its last minute, second by second. */
  readonly trend: SeriesHistory | undefined;
  /** Why there is no new detail. */
  readonly trouble: AdminApiError | undefined;
}

export interface UpstreamPollersOptions extends Omit<SnapshotPollerOptions, "draw"> {
  readonly feed: SnapshotPoller;
  readonly admin: Pick<AdminClient, "upstream" | "history">;
}

/** Those that nobody looks at are dropped when there are more than this. */
const mostIdle = 20;

export class UpstreamPollers {
  readonly #options: UpstreamPollersOptions;
  readonly #feeds = new Map<string, SnapshotPoller<UpstreamPageState>>();

  constructor(options: UpstreamPollersOptions) {
    this.#options = options;
  }

  get viewers(): number {
    return this.#feeds.values().reduce((sum, feed) => sum + feed.viewers, 0);
  }

  of(id: string): SnapshotPoller<UpstreamPageState> {
    const known = this.#feeds.get(id);
    if (known) return known;
    const idle = [...this.#feeds].filter(([, { viewers }]) => viewers === 0);
    for (const [name] of idle.slice(0, Math.max(0, idle.length - mostIdle + 1))) this.#feeds.delete(name);
    const { feed, admin, ...options } = this.#options;
    const made = new SnapshotPoller<UpstreamPageState>({
      ...options,
      draw: (previous) => draw(id, { feed, admin, previous }),
    });
    this.#feeds.set(id, made);
    return made;
  }

  /** Ends every viewer. */
  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
  }
}

interface Means extends Pick<UpstreamPollersOptions, "feed" | "admin"> {
  readonly previous: UpstreamPageState | undefined;
}

async function draw(id: string, { feed, admin, previous }: Means): Promise<UpstreamPageState> {
  const [picture, detail, history] = await Promise.all([
    feed.current(),
    admin.upstream(id),
    admin.history({ upstream: id, window: "5m", since: trendSince(previous?.picture) }),
  ]);
  const trend = "value" in history ? history.value.series[0] : previous?.trend;
  const common = { at: picture.at, picture, id, trend };
  if ("value" in detail) return { ...common, detail: detail.value, trouble: undefined };
  // What is not there any more has no last state worth showing.
  const last = detail.trouble.reason === "missing" ? undefined : previous?.detail;
  return { ...common, detail: last, trouble: detail.trouble };
}

/** What a sparkline shows. */
export const trendMs = 60_000;

/** From when on a trend is asked for, by the balancer's clock; 0 if that is not known yet. */
export function trendSince(picture: DashboardState | undefined): number {
  const now = picture?.snapshot?.at;
  return now === undefined ? 0 : now - trendMs;
}
