/** Reads new events once for all viewers, while there are any, and streams them to each. */

import { matchesEvent } from "../../control/event-log.ts";
import type { BalancerEvent } from "../../state/event.ts";
import type { AdminClient } from "../admin-client.ts";
import { SnapshotPoller, type SnapshotPollerOptions } from "../live/poller.ts";
import { messageStream } from "../live/sse.ts";
import { type AdminApiError, adminApiErrorSentence } from "../../wording/verdict.ts";
import type { EventFilterState } from "./filter.ts";

export interface EventsState {
  readonly at: number;
  /** Oldest first, at most {@link maxEntries}. */
  readonly events: readonly BalancerEvent[];
  /** The balancer that they are from: each has its own numbers. */
  readonly source: string;
  /** Why the last read failed; undefined if it succeeded. */
  readonly error?: AdminApiError | undefined;
}

/** A page that missed more events than these must be loaded again. */
export const maxEntries = 500;

export type EventsFeed = SnapshotPoller<EventsState>;

interface EventsFeedOptions extends Omit<SnapshotPollerOptions<EventsState>, "poll"> {
  readonly admin: Pick<AdminClient, "events">;
  /** The balancer that is asked now. */
  readonly source: () => string;
}

/** A failed read loses no events: each read continues after the last number, not after a time. */
export function eventsFeed({ admin, source: sourceNow, ...options }: EventsFeedOptions): EventsFeed {
  return new SnapshotPoller<EventsState>({
    ...options,
    async poll(previous) {
      const source = sourceNow();
      const previousEvents = previous?.source === source ? previous.events : [];
      const last = previousEvents.at(-1);
      const query = new URLSearchParams({
        limit: String(maxEntries),
        ...(last && { after: String(last.seq) }),
      });
      const result = await admin.events(query);
      const at = options.wallClock();
      if ("error" in result) return { at, source, events: previousEvents, error: result.error };
      // What another balancer has said does not follow these.
      if (sourceNow() !== source) return { at, source, events: previousEvents };
      return {
        ...{ at, source },
        events:
          result.value.length === 0
            ? previousEvents
            : [...previousEvents, ...result.value].slice(-maxEntries),
      };
    },
  });
}

function matchesFilter(event: BalancerEvent, { isAudit, fields }: EventFilterState): boolean {
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

/** Empty without an error. */
export function eventsErrorSentence(error: AdminApiError | undefined): string {
  return error ? `Cannot read the events. ${adminApiErrorSentence(error)}` : "";
}

export interface EventStreamOptions {
  readonly poller: EventsFeed;
  readonly filter: EventFilterState;
  /** Number of the last event that the viewer has received. */
  readonly since: number;
  /** Renders a complete message of the stream. */
  readonly render: (news: NewEvents) => string;
}

export interface NewEvents {
  /** Oldest first. */
  readonly fresh: readonly BalancerEvent[];
  /** Id of the message, which a reconnecting client sends as Last-Event-ID. */
  readonly last: number;
  /** New error text above the events, empty to clear it; undefined if it has not changed. */
  readonly error: string | undefined;
}

/** A slow reader misses no events: the next message contains what was not sent. */
export function liveEventStream({
  poller,
  filter,
  since,
  render,
}: EventStreamOptions): ReadableStream<Uint8Array> {
  let last = since;
  let shownError: string | undefined;
  return messageStream(({ offer, end }) => {
    const send = ({ events, error }: EventsState) =>
      offer(() => {
        const fresh = events.filter((event) => event.seq > last && matchesFilter(event, filter));
        last = Math.max(last, events.at(-1)?.seq ?? 0);
        const text = eventsErrorSentence(error);
        const news = { fresh, last, error: text === shownError ? undefined : text };
        shownError = text;
        return render(news);
      });
    return poller.watch({ show: send, end });
  });
}
