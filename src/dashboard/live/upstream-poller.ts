/** Pollers for upstream pages: one for each upstream with viewers, on top of the state that all pages share. */

import type { UpstreamDetail } from "../../snapshot/snapshot.ts";
import type { SeriesHistory } from "../../history/history.ts";
import type { AdminClient } from "../admin-client.ts";
import { SnapshotPoller, type SnapshotPollerOptions } from "./poller.ts";
import type { DashboardState, AdminApiError } from "../../wording/verdict.ts";

export interface UpstreamPageState {
  readonly at: number;
  readonly state: DashboardState;
  readonly id: string;
  /** The last detail that was read; undefined before the first one. */
  readonly detail: UpstreamDetail | undefined;
  /** The last minute, one point per second. */
  readonly trend: SeriesHistory | undefined;
  /** The error if the last read of the detail failed. */
  readonly error: AdminApiError | undefined;
}

export interface UpstreamPollersOptions extends Omit<SnapshotPollerOptions, "poll"> {
  readonly poller: SnapshotPoller;
  readonly admin: Pick<AdminClient, "upstream" | "history">;
}

/** More pollers without viewers than this are dropped. */
const maxIdle = 20;

export class UpstreamPollers {
  readonly #options: UpstreamPollersOptions;
  readonly #pollers = new Map<string, SnapshotPoller<UpstreamPageState>>();

  constructor(options: UpstreamPollersOptions) {
    this.#options = options;
  }

  get viewers(): number {
    return this.#pollers.values().reduce((sum, poller) => sum + poller.viewers, 0);
  }

  of(id: string): SnapshotPoller<UpstreamPageState> {
    const known = this.#pollers.get(id);
    if (known) return known;
    const idle = [...this.#pollers].filter(([, { viewers }]) => viewers === 0);
    for (const [name] of idle.slice(0, Math.max(0, idle.length - maxIdle + 1))) this.#pollers.delete(name);
    const { poller, admin, ...options } = this.#options;
    const made = new SnapshotPoller<UpstreamPageState>({
      ...options,
      poll: (previous) => readUpstreamPage(id, { poller, admin, previous }),
    });
    this.#pollers.set(id, made);
    return made;
  }

  /** Ends every viewer. */
  close(): void {
    for (const poller of this.#pollers.values()) poller.close();
  }
}

interface ReadContext extends Pick<UpstreamPollersOptions, "poller" | "admin"> {
  readonly previous: UpstreamPageState | undefined;
}

async function readUpstreamPage(
  id: string,
  { poller, admin, previous }: ReadContext,
): Promise<UpstreamPageState> {
  const [state, detail, history] = await Promise.all([
    poller.current(),
    admin.upstream(id),
    admin.history({ upstream: id, window: "5m", since: trendSince(previous?.state) }),
  ]);
  const trend = "value" in history ? history.value.series[0] : previous?.trend;
  const common = { at: state.at, state, id, trend };
  if ("value" in detail) return { ...common, detail: detail.value, error: undefined };
  // An upstream that was removed has no last state worth showing.
  const last = detail.error.reason === "missing" ? undefined : previous?.detail;
  return { ...common, detail: last, error: detail.error };
}

/** The time span of a sparkline. */
export const trendMs = 60_000;

/** The start of a trend by the balancer's clock, in epoch milliseconds; 0 before the first snapshot. */
export function trendSince(state: DashboardState | undefined): number {
  const now = state?.snapshot?.at;
  return now === undefined ? 0 : now - trendMs;
}
