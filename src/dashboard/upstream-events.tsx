/** What happened to one upstream lately, on its own page: how it came to what it is. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamDetail } from "../detail.ts";
import { attribute } from "./escape.ts";
import { newestFirst } from "./events/filter.ts";
import { EventItems } from "./events/timeline.tsx";
import type { DashboardState } from "./picture.ts";

/** The page of events has the others. */
const maxShown = 6;

export function UpstreamEvents({
  detail: { id, pool },
  picture: state,
}: {
  readonly detail: UpstreamDetail;
  readonly picture: DashboardState;
}): JSX.Element {
  const events = state.snapshot?.pools.find(({ name }) => name === pool)?.events ?? [];
  const own = newestFirst(events.filter(({ upstream }) => upstream === id)).slice(0, maxShown);
  return (
    <section class="card" aria-labelledby="own-events-name">
      <header class="card-head">
        <h2 id="own-events-name">Events</h2>
        <a href={attribute(`/events?${new URLSearchParams({ upstream: id })}`)}>All of this upstream</a>
      </header>
      {own.length > 0 ? (
        <ol class="events in-card">
          <EventItems events={own} />
        </ol>
      ) : (
        <p class="empty">None among the last events of its pool.</p>
      )}
    </section>
  );
}
