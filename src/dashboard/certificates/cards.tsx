/** The cards below the table of certificates: how they are renewed and where they are used, and what happened to them. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { BalancerEvent } from "../../state/event.ts";
import { countWithNoun } from "../../wording/format.ts";
import type { AdminResult } from "../admin-client.ts";
import { eventsErrorSentence } from "../events/feed.ts";
import { newestFirst } from "../events/filter.ts";
import { EventItems } from "../events/timeline.tsx";

type Fact = readonly [name: string, text: string];

export function RenewalCard({ snapshot }: { readonly snapshot: Snapshot }): JSX.Element {
  const { orders = [], fleet } = snapshot;
  const directories = [...new Set(orders.map(({ directory }) => directory))];
  const by = fleet
    ? `one balancer of the fleet ${fleet.group} at a time; the others get the result`
    : "this balancer";
  const ordered: readonly Fact[] = [
    ["Authority", directories.join(", ")],
    ["For", countWithNoun(orders.length, "host")],
    ["Begins", "with about a third of a certificate's life left"],
    ["Tries again", "1 min, 5 min and 30 min after a failed order, then every 6 h"],
    ["Done by", by],
  ];
  const files: Fact = [
    "Files",
    snapshot.engine === "fetch"
      ? "are read at the start: the fetch engine needs a restart for another certificate"
      : "are read every minute: replace one, and the next connection gets it",
  ];
  return (
    <section class="card" aria-labelledby="renewal-name">
      <header class="card-head">
        <h2 id="renewal-name">How they are renewed</h2>
      </header>
      <dl class="certificate-facts">
        {[...(orders.length > 0 ? ordered : []), files, ...usesOf(snapshot)].map(([name, text]) => (
          <div>
            <dt>{name}</dt>
            <dd safe>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** All listeners present the certificates by name. */
function usesOf({ listeners = [] }: Partial<Snapshot>): readonly Fact[] {
  const secure = listeners.filter(({ tls }) => tls);
  if (secure.length === 0) return [];
  const places = secure.map(({ name, host, port }) => `${name} (${host}:${port})`).join(", ");
  return [
    ["Listeners", places],
    ["Chosen", "by the name that a client sends; the first of the configuration for another name"],
  ];
}

export function CertificateEvents({
  events,
}: {
  readonly events: AdminResult<readonly BalancerEvent[]>;
}): JSX.Element {
  return (
    <section class="card" aria-labelledby="certificate-events-name">
      <header class="card-head">
        <h2 id="certificate-events-name">What happened</h2>
        <a href="/events?kind=certificate">All</a>
      </header>
      {"error" in events ? (
        <p class="empty" safe>
          {eventsErrorSentence(events.error)}
        </p>
      ) : events.value.length === 0 ? (
        <p class="empty">No event of a certificate is kept.</p>
      ) : (
        <ol class="events in-card">
          <EventItems events={newestFirst(events.value)} />
        </ol>
      )}
    </section>
  );
}
