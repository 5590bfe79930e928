/** The events of the last minutes, read on while somebody looks: one reader for all, and a stream for each viewer. */

import { matchesEvent } from "../../control/event-filter.ts";
import type { BalancerEvent } from "../../state/event.ts";
import type { AdminClient } from "../admin-client.ts";
import { SnapshotPoller, type SnapshotPollerOptions } from "../feed.ts";
import { messageStream } from "../live.ts";
import type { AdminApiError } from "../picture.ts";
import type { EventFilterState } from "./sought.ts";

export interface EventsPicture {
  readonly at: number;
  /** Oldest first, at most {@link mostKept}. */
  readonly events: readonly BalancerEvent[];
  /** Why nothing newer is known; undefined while they can be read. */
  readonly trouble?: AdminApiError | undefined;
}

/** A page that was away for longer than these took is looked at anew. */
export const mostKept = 500;

export type EventsFeed = SnapshotPoller<EventsPicture>;

interface EventsFeedOptions extends Omit<SnapshotPollerOptions<EventsPicture>, "draw"> {
  readonly admin: Pick<AdminClient, "events">;
}

/** What cannot be read now is read with the next turn: a number is asked for, not a time. */
export function eventsFeed({ admin, ...options }: EventsFeedOptions): EventsFeed {
  return new SnapshotPoller<EventsPicture>({
    ...options,
    async draw(previous) {
      const known = previous?.events ?? [];
      const last = known.at(-1);
      const query = new URLSearchParams({
        limit: String(mostKept),
        ...(last && { after: String(last.seq) }),
      });
      const told = await admin.events(query);
      const at = options.wallClock();
      if ("trouble" in told) return { at, events: known, trouble: told.trouble };
      return { at, events: told.value.length === 0 ? known : [...known, ...told.value].slice(-mostKept) };
    },
  });
}

export function isSought(event: BalancerEvent, { isAudit, fields }: EventFilterState): boolean {
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
export function eventsErrorSentence(trouble: AdminApiError | undefined): string {
  return trouble ? `The events cannot be read: ${trouble.message}.` : "";
}

export interface EventStreamOptions {
  readonly feed: EventsFeed;
  readonly sought: EventFilterState;
  /** Number of the last event that the viewer has. */
  readonly since: number;
  /** A whole message of the stream. */
  readonly render: (news: EventNews) => string;
}

export interface EventNews {
  /** Oldest first. */
  readonly fresh: readonly BalancerEvent[];
  /** What the message is called, and what a reconnect asks for. */
  readonly last: number;
  /** What stands above the events from now on, empty while all is well; undefined if that is as it was. */
  readonly trouble: string | undefined;
}

/** Whoever reads too slowly misses nothing: the next message has what was not sent. */
export function liveEventStream({
  feed,
  sought,
  since,
  render,
}: EventStreamOptions): ReadableStream<Uint8Array> {
  let last = since;
  let told: string | undefined;
  return messageStream(({ offer, end }) => {
    const show = ({ events, trouble }: EventsPicture) =>
      offer(() => {
        const fresh = events.filter((event) => event.seq > last && isSought(event, sought));
        last = Math.max(last, events.at(-1)?.seq ?? 0);
        const words = eventsErrorSentence(trouble);
        const news = { fresh, last, trouble: words === told ? undefined : words };
        told = words;
        return render(news);
      });
    return feed.watch({ show, end });
  });
}
