/** The events of the last minutes, read on while somebody looks: one reader for all, and a stream for each viewer. */

import { matchesEvent } from "../../control/event-log.ts";
import type { BalancerEvent } from "../../state/event.ts";
import type { AdminClient } from "../admin-client.ts";
import { SnapshotPoller, type SnapshotPollerOptions } from "../live/poller.ts";
import { messageStream } from "../live/sse.ts";
import type { AdminApiError } from "../../wording/verdict.ts";
import type { EventFilterState } from "./filter.ts";

export interface EventsState {
  readonly at: number;
  /** Oldest first, at most {@link maxEntries}. */
  readonly events: readonly BalancerEvent[];
  /** Why nothing newer is known; undefined while they can be read. */
  readonly error?: AdminApiError | undefined;
}

/** A page that was away for longer than these took is looked at anew. */
export const maxEntries = 500;

export type EventsFeed = SnapshotPoller<EventsState>;

interface EventsFeedOptions extends Omit<SnapshotPollerOptions<EventsState>, "poll"> {
  readonly admin: Pick<AdminClient, "events">;
}

/** What cannot be read now is read with the next turn: a number is asked for, not a time. */
export function eventsFeed({ admin, ...options }: EventsFeedOptions): EventsFeed {
  return new SnapshotPoller<EventsState>({
    ...options,
    async poll(previous) {
      const known = previous?.events ?? [];
      const last = known.at(-1);
      const query = new URLSearchParams({
        limit: String(maxEntries),
        ...(last && { after: String(last.seq) }),
      });
      const result = await admin.events(query);
      const at = options.wallClock();
      if ("error" in result) return { at, events: known, error: result.error };
      return {
        at,
        events: result.value.length === 0 ? known : [...known, ...result.value].slice(-maxEntries),
      };
    },
  });
}

export function matchesFilter(event: BalancerEvent, { isAudit, fields }: EventFilterState): boolean {
  const { pool, upstream, kind, by, text } = fields;
  return (
    (pool === "" || event.pool === pool) &&
    (upstream === "" || event.upstream === upstream) &&
    matchesEvent(event, {
      byOperators: isAudit,
      ...(kind === "" ? {} : { kinds: new Set(kind.split(",")) }),
      ...(by === "" ? {} : { by }),
      ...(text === "" ? {} : { text }),
    })
  );
}

/** Empty without a trouble. */
export function eventsErrorSentence(error: AdminApiError | undefined): string {
  return error ? `The events cannot be read: ${error.message}.` : "";
}

export interface EventStreamOptions {
  readonly poller: EventsFeed;
  readonly filter: EventFilterState;
  /** Number of the last event that the viewer has. */
  readonly since: number;
  /** A whole message of the stream. */
  readonly render: (news: NewEvents) => string;
}

export interface NewEvents {
  /** Oldest first. */
  readonly fresh: readonly BalancerEvent[];
  /** What the message is called, and what a reconnect asks for. */
  readonly last: number;
  /** What stands above the events from now on, empty while all is well; undefined if that is as it was. */
  readonly error: string | undefined;
}

/** Whoever reads too slowly misses nothing: the next message has what was not sent. */
export function liveEventStream({
  poller,
  filter,
  since,
  render,
}: EventStreamOptions): ReadableStream<Uint8Array> {
  let last = since;
  let result: string | undefined;
  return messageStream(({ offer, end }) => {
    const show = ({ events, error }: EventsState) =>
      offer(() => {
        const fresh = events.filter((event) => event.seq > last && matchesFilter(event, filter));
        last = Math.max(last, events.at(-1)?.seq ?? 0);
        const text = eventsErrorSentence(error);
        const news = { fresh, last, error: text === result ? undefined : text };
        result = text;
        return render(news);
      });
    return poller.watch({ show, end });
  });
}
