/** What every exchange is given, whoever drives it. */

import type { Clock } from "../lib/clock.ts";
import type { ExchangeObserver } from "./exchange-observer.ts";
import type { RecordSink } from "./record.ts";
import type { Route } from "./route.ts";
import type { Tracer } from "./trace-context.ts";

export interface ExchangeOptions {
  /** Read anew for every exchange, so that a reload needs no new connection. */
  readonly routes: () => readonly Route[];
  readonly clock: Clock;
  /** Whether new requests are refused, for want of memory. */
  readonly load?: { readonly isShed: boolean };
  readonly observer: ExchangeObserver;
  /** Present where requests are traced. */
  readonly trace?: Tracer;
  /** Who reads what became of requests; nothing is collected where there is nobody. */
  readonly records?: readonly RecordSink[];
}
