/** The setting `requests`: which requests are kept for searches, how long, and without what. */

import { type Static, Type } from "@sinclair/typebox";

import { formatDuration } from "../lib/units.ts";
import { age, choice, duration, integer, optional } from "./schema-kit.ts";
import { ageSecondsOf, durationOf, formatAge } from "./values.ts";

/** What kept requests may be without. */
const omittableParts = ["query", "client", "user"] as const;
type OmittablePart = (typeof omittableParts)[number];

export interface KeptRequestsConfig {
  /** How long; 0 keeps none. */
  readonly keepMs: number;
  readonly maxRequests: number;
  /** A request that took as long as this is slow. */
  readonly slowMs: number;
  readonly omit: readonly OmittablePart[];
}

/**
 * A day answers "what was that last night", in about 100 MB. A query may hold tokens and names (OWASP, "Information exposure
 * through query strings in URL"), so it is not written.
 */
export const defaultKeptRequests: KeptRequestsConfig = {
  keepMs: 86_400_000,
  maxRequests: 50_000,
  slowMs: 1_000,
  omit: ["query"],
};

/** Up to here a search of all takes a fraction of a second. */
const maxKept = 500_000;

export const keptRequestsSchema = optional(
  {
    keep: age(
      "How long failed, slow and sampled requests are kept for searches; 0 keeps none on disk and deletes those of before.",
    ),
    max: integer(1_000, maxKept, "Kept requests; beyond it, the fullest minutes are thinned out."),
    slowAfter: duration("A request that took as long as this counts as slow."),
    omit: Type.Array(
      choice<OmittablePart>(
        omittableParts,
        "query: the part of the target after `?`; client: IP addresses; user: who was authenticated.",
      ),
      {
        uniqueItems: true,
        description: "What is left out of kept requests; by default the query.",
        errorMessage: `a list of ${omittableParts.join(", ")}`,
      },
    ),
  },
  "Requests that are kept for searches. A change needs a restart.",
);

export function keptRequestsOf(given: Static<typeof keptRequestsSchema> = {}): KeptRequestsConfig {
  const { keepMs, maxRequests, slowMs, omit } = defaultKeptRequests;
  return {
    keepMs: given.keep === undefined ? keepMs : ageSecondsOf(given.keep) * 1_000,
    maxRequests: given.max ?? maxRequests,
    slowMs: given.slowAfter === undefined ? slowMs : durationOf(given.slowAfter),
    omit: given.omit ?? omit,
  };
}

/** As in a configuration file. */
export function keptRequestsFileOf({ keepMs, maxRequests, slowMs, omit }: KeptRequestsConfig): object {
  return {
    keep: keepMs === 0 ? 0 : formatAge(keepMs / 1_000),
    max: maxRequests,
    slowAfter: formatDuration(slowMs),
    omit,
  };
}
