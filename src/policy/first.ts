/** All to one, for as long as it is fit. */

import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/** The first fit upstream in the order of the configuration: a main server and its stand-ins. */
export function first(): Policy {
  return { pick: (fit) => fit[0] as Upstream };
}
