/** What the candidates were compared by: the policies' own measures, of the numbers that a choice has kept. */

import { policies } from "../../policy/policies.ts";
import type { Candidate } from "../../proxy/record.ts";

export interface Scoring {
  /** How this choice is made, for people. */
  readonly text: string;
  /** The smaller, the better; undefined where nothing is compared. */
  readonly scoreOf: ((candidate: Candidate) => number | null) | undefined;
}

/** The reading of src/policy/least-connections.ts and of src/pool/draw.ts. */
const load = ({ inFlight, weight }: Candidate) => inFlight / weight;

/** The reading of src/policy/p2c.ts; null for what it has not measured and does not want to flood. */
function cost({ inFlight, weight, latencyMs }: Candidate): number | null {
  if (latencyMs === null) return inFlight === 0 ? 0 : null;
  return (latencyMs * (inFlight + 1)) / weight;
}

/** A retry is not a turn: it goes by load alone, whatever the policy. */
const further: Scoring = {
  text: "A further attempt asks no policy: it goes to the lighter of two drawn from those not tried yet.",
  scoreOf: load,
};

const measures: Readonly<Record<string, Scoring["scoreOf"]>> = { p2c: cost, "least-connections": load };

/** @param policy of the pool; undefined where it is not known (any more) */
export function scoringOf(policy: string | undefined, isFurther: boolean): Scoring {
  if (isFurther) return further;
  if (policy === undefined) return { text: "", scoreOf: undefined };
  const summary = Object.hasOwn(policies, policy) ? policies[policy as keyof typeof policies].summary : "";
  return {
    text: summary === "" ? policy : `${policy}: ${summary}.`,
    scoreOf: Object.hasOwn(measures, policy) ? measures[policy] : undefined,
  };
}
