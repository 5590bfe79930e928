/** Looks at the balancer from where its clients stand: one GET, shared by all viewers, seldom enough not to be load. */

import type { Clock, WallClock } from "../../lib/clock.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { FrontDoor } from "../../wording/verdict.ts";
import { describeError } from "../../client/http-client.ts";

export interface FrontDoorOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

/** It goes through to an upstream and is counted there, so: seldom. */
const restMs = 5_000;
const timeoutMs = 2_000;

/** Often it is looked at under another name than its certificate's; whether it answers is all that is asked. */
const tls = { verify: false };

/**
 * The last look, renewed in the background when it is too old; only the very first one is waited for. A door that
 * hangs must not hold up the picture.
 */
export function frontDoorWatch(
  { url, clock, wallClock }: FrontDoorOptions,
  { probeHttp }: Pick<Runtime, "probeHttp">,
): () => Promise<FrontDoor> {
  const fields = { host: new URL(url).host, "user-agent": "evenkeel-dashboard" };
  let last: FrontDoor | undefined;
  let lookedAt = 0;
  let looking: Promise<FrontDoor> | undefined;

  async function look(): Promise<FrontDoor> {
    const startedAt = clock();
    const seen = await probeHttp({ url, timeoutMs, headers: fields, tls }).then(
      (status) => ({ reachable: status < 500, status, detail: `status ${status}` }),
      (error: unknown) => ({ reachable: false, status: null, detail: describeError(error) }),
    );
    lookedAt = clock();
    looking = undefined;
    last = { url, ...seen, latencyMs: lookedAt - startedAt, checkedAt: wallClock() };
    return last;
  }

  return () => {
    if (last && clock() - lookedAt < restMs) return Promise.resolve(last);
    looking ??= look();
    return last ? Promise.resolve(last) : looking;
  };
}
