/** The events of the last minutes, read on while somebody looks: one reader for all, and a stream for each viewer. */

import { matches } from "../../control/event-filter.ts";
import type { Event } from "../../state/event.ts";
import type { AdminClient } from "../admin-client.ts";
import { Feed, type FeedSetting } from "../feed.ts";
import { messageStream } from "../live.ts";
import type { Sought } from "./sought.ts";

export interface EventsPicture {
  readonly at: number;
  /** Oldest first, at most {@link mostKept}. */
  readonly events: readonly Event[];
}

/** A page that was away for longer than these took is looked at anew. */
export const mostKept = 500;

export type EventsFeed = Feed<EventsPicture>;

interface EventsFeedSetting extends Omit<FeedSetting<EventsPicture>, "draw"> {
  readonly admin: Pick<AdminClient, "events">;
}

/** What cannot be read now is read with the next turn: a number is asked for, not a time. */
export function eventsFeed({ admin, ...setting }: EventsFeedSetting): EventsFeed {
  return new Feed<EventsPicture>({
    ...setting,
    async draw(previous) {
      const known = previous?.events ?? [];
      const last = known.at(-1);
      const query = new URLSearchParams({
        limit: String(mostKept),
        ...(last && { after: String(last.seq) }),
      });
      const told = await admin.events(query);
      const fresh = "value" in told ? told.value : [];
      const at = setting.wallClock();
      return { at, events: fresh.length === 0 ? known : [...known, ...fresh].slice(-mostKept) };
    },
  });
}

export function isSought(event: Event, { isAudit, fields }: Sought): boolean {
  const { pool, upstream, kind, by, text } = fields;
  return (
    (pool === "" || event.pool === pool) &&
    (upstream === "" || event.upstream === upstream) &&
    matches(event, {
      byOperators: isAudit,
      ...(kind === "" ? {} : { kinds: new Set(kind.split(",")) }),
      ...(by === "" ? {} : { by }),
      ...(text === "" ? {} : { text }),
    })
  );
}

export interface EventStreamSetting {
  readonly feed: EventsFeed;
  readonly sought: Sought;
  /** Number of the last event that the viewer has. */
  readonly since: number;
  /** A whole message of the stream; what it is called is what a reconnect asks for. */
  readonly render: (fresh: readonly Event[], last: number) => string;
}

/** Whoever reads too slowly misses nothing: the next message has what was not sent. */
export function eventStream({ feed, sought, since, render }: EventStreamSetting): ReadableStream<Uint8Array> {
  let last = since;
  return messageStream(({ offer, end }) => {
    const show = ({ events }: EventsPicture) =>
      offer(() => {
        const fresh = events.filter((event) => event.seq > last && isSought(event, sought));
        last = Math.max(last, events.at(-1)?.seq ?? 0);
        return render(fresh, last);
      });
    return feed.watch({ show, end });
  });
}
