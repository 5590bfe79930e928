/** Builds the destination of each pool, and keeps it while what it is built from stays: routes refer to it. */

import { isDeepStrictEqual } from "node:util";

import type { PoolConfig } from "../config/config.ts";
import type { Extensions, PolicySource } from "../extension/extensions.ts";
import { type BuiltInPolicy, extensionPolicyIn, policyEntry, type PolicyName } from "../policy/policies.ts";
import type { Pool } from "../pool/pool.ts";
import type { Deadlines } from "../proxy/deadlines.ts";
import { hashKeyFor } from "../proxy/hash-key.ts";
import type { Queue } from "../proxy/queue.ts";
import type { RetryBudget } from "../proxy/retry-budget.ts";
import type { Destination } from "../proxy/route.ts";
import type { Sticky } from "../proxy/sticky.ts";

/** A running pool with its configuration, and what its exchanges share. */
export interface PoolEntry {
  readonly config: PoolConfig;
  readonly pool: Pool;
  readonly retryBudget: RetryBudget;
  readonly queue: Queue;
  readonly deadlines: Deadlines;
}

interface KeptDestination {
  readonly entry: PoolEntry;
  readonly sticky: Sticky | undefined;
  readonly destination: Destination;
}

export class Destinations {
  readonly #extensions: Extensions | undefined;
  #kept = new Map<string, KeptDestination>();
  #current: ReadonlyMap<string, Destination> = new Map();

  constructor(extensions: Extensions | undefined) {
    this.#extensions = extensions;
  }

  /** @returns by name of the pool; the same object as before if all destinations have stayed */
  of(
    entries: readonly PoolEntry[],
    stickyOf: (entry: PoolEntry) => Sticky | undefined,
  ): ReadonlyMap<string, Destination> {
    const before = this.#kept;
    const kept = entries.map((entry): KeptDestination => {
      const old = before.get(entry.config.name);
      const sticky = stickyOf(entry);
      const isKept = old !== undefined && old.sticky === sticky && isSameEntry(old.entry, entry);
      return isKept ? old : { entry, sticky, destination: this.#build(entry, sticky) };
    });
    this.#kept = new Map(kept.map((one) => [one.entry.config.name, one]));
    const isSame =
      kept.length === before.size && kept.every((one) => before.get(one.entry.config.name) === one);
    if (!isSame)
      this.#current = new Map(kept.map(({ entry, destination }) => [entry.config.name, destination]));
    return this.#current;
  }

  #build(
    { config, pool, retryBudget, queue, deadlines }: PoolEntry,
    sticky: Sticky | undefined,
  ): Destination {
    const { timeouts, retries, retryStatuses, hedgeAfter, maxRequestBodyBytes, proxyProtocol } = config;
    return {
      pool,
      timeouts,
      retries,
      retryBudget,
      queue,
      ...(retryStatuses.length > 0 && { retryStatuses: new Set(retryStatuses) }),
      ...(timeouts.totalMs !== undefined && { deadlines }),
      ...(hedgeAfter !== 0 && { mayHedge: true }),
      ...(maxRequestBodyBytes !== undefined && { maxRequestBodyBytes }),
      ...(proxyProtocol && { proxyProtocol }),
      ...(sticky && { sticky }),
      ...(policySourceOf(config.policy, this.#extensions).keyed && { keyOf: hashKeyFor(config.hashBy) }),
    };
  }
}

/** Whether both lead to the same destination. Upstreams and their checks are no part of it. */
function isSameEntry(one: PoolEntry, other: PoolEntry): boolean {
  if (one.pool !== other.pool || one.retryBudget !== other.retryBudget) return false;
  return one.config === other.config || isDeepStrictEqual(basisOf(one.config), basisOf(other.config));
}

function basisOf({
  timeouts,
  retries,
  retryStatuses,
  hedgeAfter,
  maxRequestBodyBytes,
  proxyProtocol,
  policy,
  hashBy,
}: PoolConfig) {
  return [timeouts, retries, retryStatuses, hedgeAfter, maxRequestBodyBytes, proxyProtocol, policy, hashBy];
}

/** @throws for a policy of an extension that is not loaded: `check` refuses it */
export function policySourceOf(name: PolicyName, extensions: Extensions | undefined): PolicySource {
  const own = extensionPolicyIn(name);
  if (own === undefined) return policyEntry(name as BuiltInPolicy);
  const source = extensions?.policy(own);
  if (!source) throw new Error(`Cannot use the policy ${name}: no extension has it`);
  return source;
}
