/** Limits open streams: in all, for each owner, so that one owner leaves room for the others, and to the time of a session. */

import type { Cancel, Schedule } from "../lib/clock.ts";
import { maxWebConnectionsFor } from "../net/open-files.ts";
import { closableStream } from "../lib/closable-stream.ts";

export interface StreamLimitOptions {
  readonly maxInAll: number;
  readonly maxForOwner: number;
}

/**
 * Limits of the admin API, and of the dashboard: enough for a team and its scripts, and for all tabs of one person. Half of
 * the connections are left for requests.
 */
function defaultStreamLimits(maxConnections = maxWebConnectionsFor()): StreamLimitOptions {
  const maxInAll = Math.min(100, Math.floor(maxConnections / 2));
  return { maxInAll, maxForOwner: Math.min(16, Math.ceil(maxInAll / 4)) };
}

export class StreamLimit {
  readonly options: StreamLimitOptions;
  readonly #ofOwner = new Map<string, number>();
  #inAll = 0;

  constructor(options = defaultStreamLimits()) {
    this.options = options;
  }

  /** @param owner undefined where owners are not told apart  @returns ends the stream's count, once; or who has too many */
  admit(owner: string | undefined): Cancel | "all" | "owner" {
    const { maxInAll, maxForOwner } = this.options;
    const own = owner === undefined ? 0 : (this.#ofOwner.get(owner) ?? 0);
    if (own >= maxForOwner) return "owner";
    if (this.#inAll >= maxInAll) return "all";
    this.#inAll += 1;
    if (owner !== undefined) this.#ofOwner.set(owner, own + 1);
    let isOpen = true;
    return () => {
      if (isOpen) this.#ended(owner);
      isOpen = false;
    };
  }

  #ended(owner: string | undefined): void {
    this.#inAll -= 1;
    if (owner === undefined) return;
    const left = (this.#ofOwner.get(owner) ?? 0) - 1;
    if (left > 0) this.#ofOwner.set(owner, left);
    else this.#ofOwner.delete(owner);
  }
}

const nothing = new Uint8Array();

/** The same response; a stream of events counts until it ends. Or who has too many of them; the response was cancelled then. */
export function countStream(
  response: Response,
  limit: StreamLimit,
  owner: string | undefined,
): Response | "all" | "owner" {
  if (!response.body || response.headers.get("content-type") !== "text/event-stream") return response;
  const admitted = limit.admit(owner);
  if (typeof admitted === "string") {
    void response.body.cancel().catch(() => {});
    return admitted;
  }
  const { stream } = closableStream(response.body, nothing, admitted);
  return new Response(stream, { status: response.status, headers: response.headers });
}

/** How long a stream may outlast its session. */
const checkMs = 2_000;

const noLastMessage = new Uint8Array();

/** The same response; a stream of events is ended within two seconds after `isAllowed` returns false. */
export function boundToSession(response: Response, isAllowed: () => boolean, schedule: Schedule): Response {
  if (!response.body || response.headers.get("content-type") !== "text/event-stream") return response;
  let cancel = schedule(checkMs, check);
  const { stream, end } = closableStream(response.body, noLastMessage, () => cancel());
  return new Response(stream, { status: response.status, headers: response.headers });

  function check(): void {
    if (isAllowed()) cancel = schedule(checkMs, check);
    else end();
  }
}
