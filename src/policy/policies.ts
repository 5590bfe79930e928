/** The table of policies and their only registration: configuration, help and the law suite all read it. */

import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import { first } from "./first.ts";
import { hash } from "./hash.ts";
import { leastConnections } from "./least-connections.ts";
import { p2c } from "./p2c.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";

export interface PolicyOptions {
  readonly random: Random;
  readonly clock: Clock;
}

interface PolicyEntry {
  readonly create: (setting: PolicyOptions) => Policy;
  /** One line for help and documentation. */
  readonly summary: string;
  /** Whether it looks at the key. Only then is one taken from the request. */
  readonly keyed?: true;
}

export const policies = {
  "round-robin": { create: () => roundRobin(), summary: "turns in proportion to weights" },
  "least-connections": { create: () => leastConnections(), summary: "the least in flight for its weight" },
  random: { create: (setting) => random(setting.random), summary: "weighted dice" },
  p2c: {
    create: (setting) => p2c(setting.random, setting.clock),
    summary: "the cheaper of two at random by latency and load, for uneven upstreams",
  },
  hash: { create: () => hash(), summary: "the same key to the same upstream", keyed: true },
  first: { create: () => first(), summary: "the first fit one takes all" },
} satisfies Record<string, PolicyEntry>;

export type PolicyName = keyof typeof policies;

export const policyNames = Object.keys(policies) as PolicyName[];

export function policyEntry(name: PolicyName): PolicyEntry {
  return policies[name];
}
