/** What an exchange is given: apart from it, for those who make exchanges. */

import type { Clock } from "../lib/clock.ts";
import type { ExchangeObserver } from "./exchange-observer.ts";
import type { Route } from "./route.ts";

export interface ExchangeSetting {
  /** Read anew for every exchange, so that a reload needs no new connection. */
  readonly routes: () => readonly Route[];
  readonly clock: Clock;
  readonly observer: ExchangeObserver;
}
