/** What the balancers of a fleet share, what is not shared yet, and what happened to it. */
/** @jsxImportSource @kitajs/html */

import type { FleetOrderSnapshot, FleetSnapshot } from "../../snapshot/fleet-snapshot.ts";
import { countWithNoun, formatTime, isoTime } from "../../wording/format.ts";
import { sharedFacts } from "../../wording/fleet.ts";
import { newestFirst } from "../events/filter.ts";
import { EventItems } from "../events/timeline.tsx";

export function SharedCard({ fleet }: { readonly fleet: FleetSnapshot }): JSX.Element {
  return (
    <section class="card" aria-labelledby="shared-name">
      <header class="card-head">
        <h2 id="shared-name">What they share</h2>
      </header>
      <dl class="fleet-facts">
        {sharedFacts(fleet).map(({ name, text, isWell }) => (
          <div>
            <dt safe>{name}</dt>
            <dd data-concern={isWell ? "none" : "slight"} safe>
              {text}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Nothing while all orders are shared and about upstreams that run here. */
export function OrdersCard({ fleet }: { readonly fleet: FleetSnapshot }): JSX.Element {
  const { pending, waiting } = fleet;
  if (pending.length + waiting.length === 0) return "";
  return (
    <section class="card" aria-labelledby="fleet-orders-name">
      <header class="card-head">
        <h2 id="fleet-orders-name">Orders</h2>
      </header>
      <OrderList orders={pending} text="given here and not shared yet: they count here" />
      <OrderList orders={waiting} text="about upstreams that do not run here: kept for when they do" />
    </section>
  );
}

/** More of them are counted. */
const maxOrders = 20;

interface OrderListProps {
  readonly orders: readonly FleetOrderSnapshot[];
  readonly text: string;
}

function OrderList({ orders, text }: OrderListProps): JSX.Element {
  if (orders.length === 0) return "";
  const more = orders.length - maxOrders;
  return (
    <>
      <p class="quiet" safe>{`${countWithNoun(orders.length, "order")} ${text}`}</p>
      <ul class="fleet-orders">
        {orders.slice(0, maxOrders).map(({ upstream, order, by, peer, at }) => (
          <li>
            <span class="name" safe>
              {upstream}
            </span>{" "}
            <span safe>{order}</span> <span class="quiet" safe>{`by ${by} at ${peer},`}</span>{" "}
            <time class="quiet" datetime={isoTime(at)} safe>
              {formatTime(at)}
            </time>
          </li>
        ))}
      </ul>
      {more > 0 ? <p class="quiet" safe>{`and ${more} more`}</p> : ""}
    </>
  );
}

export function FleetEvents({ fleet: { events } }: { readonly fleet: FleetSnapshot }): JSX.Element {
  return (
    <section class="pool events-list" aria-labelledby="fleet-events-name">
      <header class="pool-head">
        <h2 id="fleet-events-name">Events of the fleet</h2>
        <a href="/events?kind=fleet">All</a>
      </header>
      {events.length === 0 ? (
        <p class="empty">The store was never lost, and no order was set aside.</p>
      ) : (
        <ol class="events">
          <EventItems events={newestFirst(events)} />
        </ol>
      )}
    </section>
  );
}
