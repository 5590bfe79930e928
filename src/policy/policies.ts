/** The table of policies. Configuration, help and the law suite read it. */

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

export interface PolicyEntry {
  readonly create: (options: PolicyOptions) => Policy;
  /** One line for help and documentation. */
  readonly summary: string;
  /** Whether it uses the hash key. Only then is one computed for each request. */
  readonly keyed?: boolean;
}

export const policies = {
  "round-robin": {
    create: (options) => roundRobin(options.random),
    summary: "each upstream in turn, in proportion to the weights",
  },
  "least-connections": {
    create: (options) => leastConnections(options.random),
    summary: "the fewest requests in flight for its weight",
  },
  random: { create: (options) => random(options.random), summary: "weighted random" },
  p2c: {
    create: (options) => p2c(options.random, options.clock),
    summary: "the cheaper of two random ones by latency and load, for uneven upstreams",
  },
  hash: { create: () => hash(), summary: "the same key to the same upstream", keyed: true },
  first: { create: () => first(), summary: "the first available upstream in the configured order" },
} satisfies Record<string, PolicyEntry>;

export type BuiltInPolicy = keyof typeof policies;

/** A built-in policy, or one of an extension. */
export type PolicyName = BuiltInPolicy | `extension:${string}`;

export const policyNames = Object.keys(policies) as BuiltInPolicy[];

const extensionPrefix = "extension:";

/** The name that an extension gives its policy; undefined for a policy that is built in. */
export function extensionPolicyIn(name: PolicyName): string | undefined {
  return name.startsWith(extensionPrefix) ? name.slice(extensionPrefix.length) : undefined;
}

export function policyEntry(name: BuiltInPolicy): PolicyEntry {
  return policies[name];
}
