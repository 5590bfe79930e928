/** What every exchange needs, on every engine. */

import type { AttemptFilter } from "./interception.ts";
import type { RecorderOptions } from "./recorder.ts";
import type { RouteTable } from "./route.ts";
import type { Tracer } from "./trace-context.ts";

export interface ExchangeOptions extends RecorderOptions {
  /** Read for every request, so that a reload applies to open connections. */
  readonly routes: () => RouteTable;
  /** Whether new requests are refused because memory is short. */
  readonly load?: { readonly isShed: boolean };
  /** Called for every attempt before it is sent; the first that intercepts it decides. */
  readonly attemptFilters?: readonly AttemptFilter[];
  /** Present where tracing is configured. */
  readonly trace?: Tracer;
}
