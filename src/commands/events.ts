/** `evenkeel events --follow`: reads the event stream of the admin API across restarts of the balancer. */

import type { AdminTarget } from "../cli/side-commands.ts";
import { readEvents } from "../client/sse-reader.ts";
import { sleep } from "../lib/clock.ts";
import { parseJson } from "../lib/json.ts";
import type { BalancerEvent } from "../state/event.ts";
import { formatTime } from "../wording/format.ts";
import { type Failed, jsonHeaders, refused, unreachableError } from "./admin-call.ts";
import { plainText } from "./terminal.ts";

export interface FollowOptions {
  readonly target: AdminTarget;
  readonly actor: string;
  readonly upstream: string | undefined;
  /** Sequence number of the last event that was already shown. */
  readonly after: number;
  readonly onEvent: (event: BalancerEvent) => void;
  /** Called once per outage, when the stream has ended and will be reopened. */
  readonly onDisconnect: () => void;
}

const reconnectMs = 1_000;

/** Resolves when the balancer refuses the stream; an unreachable balancer is retried. Never rejects. */
export async function followEvents(options: FollowOptions): Promise<Failed> {
  let { after } = options;
  let isDisconnected = false;
  for (;;) {
    const { wasOpen, failed } = await read(options, after, (event) => {
      after = event.seq;
      options.onEvent(event);
    });
    if (failed && failed.exitCode !== 3) return failed;
    if (wasOpen || !isDisconnected) options.onDisconnect();
    isDisconnected = true;
    await sleep(reconnectMs);
  }
}

interface StreamEnd {
  readonly wasOpen: boolean;
  readonly failed?: Failed;
}

function read(
  { target, actor, upstream }: FollowOptions,
  after: number,
  onEvent: (event: BalancerEvent) => void,
): Promise<StreamEnd> {
  const query = new URLSearchParams({ after: String(after), ...(upstream !== undefined && { upstream }) });
  let wasOpen = false;
  return new Promise((resolve) => {
    readEvents({
      url: new URL(`${target.adminUrl}/api/stream?${query}`),
      headers: jsonHeaders(target, actor),
      onOpen: () => void (wasOpen = true),
      onEvent(name, data) {
        const event = name === "event" ? parseJson(data) : undefined;
        if (event !== undefined) onEvent(event as BalancerEvent);
      },
      onEnd({ response, error }) {
        if (response) return resolve({ wasOpen, failed: refusal(target, response) });
        resolve({ wasOpen, ...(error && !wasOpen && { failed: unreachableError(target, error) }) });
      },
    });
  });
}

/** A 503 means too many streams at the moment, so it counts as unreachable and is retried. */
function refusal(
  target: AdminTarget,
  { status, text }: { readonly status: number; readonly text: string },
): Failed {
  const failed = refused(target, status, parseJson(text));
  return status === 503 ? { ...failed, exitCode: 3 } : failed;
}

/** "2026-01-31 14:03:12 UTC  mode         main/b  ready → draining  (operator, by ann: kernel)" */
export function eventLine({ at, kind, pool, upstream, from, to, reason, by, detail }: BalancerEvent): string {
  const subject = [pool, upstream].filter((name) => name !== null).join("/") || "balancer";
  const change = from === "" ? to : `${from} → ${to}`;
  const why = `(${reason}, by ${by}${detail === "" ? "" : `: ${detail}`})`;
  const date = new Date(at).toISOString().slice(0, 10);
  return plainText(`${date} ${formatTime(at)}  ${kind.padEnd(11)}  ${subject}  ${change}  ${why}`);
}
