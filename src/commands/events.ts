/** Reads the admin API's stream of events for as long as anybody wants, also over restarts of the balancer. */

import type { AdminTarget } from "../cli/side-commands.ts";
import { readEvents } from "../client/sse-reader.ts";
import { type Failed, jsonHeaders, refused, unreachableError } from "./admin-call.ts";
import { plainText } from "./terminal.ts";
import { sleep } from "../lib/clock.ts";
import { parseJson } from "../lib/json.ts";
import type { BalancerEvent } from "../state/event.ts";
import { formatTime } from "../wording/format.ts";

export interface FollowOptions {
  readonly target: AdminTarget;
  readonly actor: string;
  readonly upstream: string | undefined;
  /** Begins after the event with this number. */
  readonly after: number;
  readonly onEvent: (event: BalancerEvent) => void;
  /** Hears that the stream has ended and will be opened again. */
  readonly onDisconnect: () => void;
}

const pauseMs = 1_000;

/** Resolves when it is refused; rejects never. That nobody answers does not end it: whoever follows has seen events. */
export async function followEvents(following: FollowOptions): Promise<Failed> {
  let { after } = following;
  let isLost = false;
  for (;;) {
    const { wasOpen, failed } = await read(following, after, (event) => {
      after = event.seq;
      following.onEvent(event);
    });
    if (failed && failed.exitCode !== 3) return failed;
    if (wasOpen || !isLost) following.onDisconnect();
    isLost = true;
    await sleep(pauseMs);
  }
}

interface End {
  readonly wasOpen: boolean;
  readonly failed?: Failed;
}

function read(
  { target, actor, upstream }: FollowOptions,
  after: number,
  hear: (event: BalancerEvent) => void,
): Promise<End> {
  const query = new URLSearchParams({ after: String(after), ...(upstream !== undefined && { upstream }) });
  let wasOpen = false;
  return new Promise((resolve) => {
    readEvents({
      url: new URL(`${target.adminUrl}/api/stream?${query}`),
      headers: jsonHeaders(target, actor),
      onOpen: () => void (wasOpen = true),
      onEvent(name, data) {
        const event = name === "event" ? parseJson(data) : undefined;
        if (event !== undefined) hear(event as BalancerEvent);
      },
      onEnd({ response, error }) {
        if (response) return resolve({ wasOpen, failed: refusal(target, response) });
        resolve({ wasOpen, ...(error && !wasOpen && { failed: unreachableError(target, error) }) });
      },
    });
  });
}

/** A balancer that is full says so and may have room later. */
function refusal(
  target: AdminTarget,
  { status, text }: { readonly status: number; readonly text: string },
): Failed {
  const failed = refused(target, status, parseJson(text));
  return status === 503 ? { ...failed, exitCode: 3 } : failed;
}

// One event of the record as a line for a terminal.

/** "14:03:12 UTC  mode         main/b  ready → draining  (operator, by ann: kernel)" */
export function eventLine({ at, kind, pool, upstream, from, to, reason, by, detail }: BalancerEvent): string {
  const subject = [pool, upstream].filter((name) => name !== null).join("/") || "balancer";
  const change = from === "" ? to : `${from} → ${to}`;
  const why = `(${reason}, by ${by}${detail === "" ? "" : `: ${detail}`})`;
  const date = new Date(at).toISOString().slice(0, 10);
  return plainText(`${date} ${formatTime(at)}  ${kind.padEnd(11)}  ${subject}  ${change}  ${why}`);
}
