/** Policy `first`: all traffic to the first available upstream. */

import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/** The first available upstream in the order of the configuration: a main server and its stand-ins. */
export function first(): Policy {
  return { pick: (available) => available[0] as Upstream };
}
