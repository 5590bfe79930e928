/** Checks the balancer's client listener with a GET. All viewers share one result, so the check causes little load. */

import type { Clock, WallClock } from "../../lib/clock.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { ListenerCheck } from "../../wording/verdict.ts";
import { describeError } from "../../client/http-client.ts";

export interface ListenerCheckOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

/** The check is forwarded to an upstream and counted as a request, so it is rare. */
const restMs = 5_000;
const timeoutMs = 2_000;

/** The URL often differs from the certificate's name, and only a response matters here. */
const tls = { verify: false };

/**
 * Returns a function that gives the last result and renews it in the background when it is too old. Only the first check
 * is awaited: a listener that hangs must not delay the page.
 */
export function createListenerCheck(
  { url, clock, wallClock }: ListenerCheckOptions,
  { probeHttp }: Pick<Runtime, "probeHttp">,
): () => Promise<ListenerCheck> {
  const headers = { host: new URL(url).host, "user-agent": "evenkeel-dashboard" };
  let last: ListenerCheck | undefined;
  let checkedAt = 0;
  let pending: Promise<ListenerCheck> | undefined;

  async function check(): Promise<ListenerCheck> {
    const startedAt = clock();
    const result = await probeHttp({ url, timeoutMs, headers, tls }).then(
      (status) => ({ reachable: status < 500, status, detail: `status ${status}` }),
      (error: unknown) => ({ reachable: false, status: null, detail: describeError(error) }),
    );
    checkedAt = clock();
    pending = undefined;
    last = { url, ...result, latencyMs: checkedAt - startedAt, checkedAt: wallClock() };
    return last;
  }

  return () => {
    if (last && clock() - checkedAt < restMs) return Promise.resolve(last);
    pending ??= check();
    return last ? Promise.resolve(last) : pending;
  };
}
