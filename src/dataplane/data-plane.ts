/** What the control plane asks of a data plane: one in this process, or several in processes of their own. */

import type { Config } from "../config/config.ts";
import type { ProcessCounters } from "../metrics/process-families.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { PoolEntry } from "../registry/pool-registry.ts";
import type { WorkerSnapshot } from "../snapshot/snapshot.ts";

/** Values of a pool that are not a sum over its attempts. */
export interface PoolGauges {
  /** Retries that could be paid for now. */
  readonly retryBudget: { readonly balance: number };
  /** Requests that wait for a place. */
  readonly queue: { readonly size: number };
}

/** Serves clients. Implemented by `LocalDataPlane` and `WorkerDataPlane`. */
export interface DataPlane {
  /** The port that clients reach it on; 0 before it listens. */
  readonly port: number;
  /** Missing where a single process does everything. */
  readonly workers?: readonly WorkerSnapshot[];
  /** Cuts what is under way on one upstream, and says how many; undefined where it has no way to. */
  readonly abortAttempts: ((upstream: Upstream) => number | Promise<number>) | undefined;
  /** Takes clients. Rejects with the system's code if the port cannot be had. */
  listen(): Promise<void>;
  /** The fleet, its modes or its health have changed: goes by this from now on. */
  apply(desired: Config): void;
  /** Brings the meters up to date, for somebody who reads them now. */
  refreshCounters(): void;
  /** Requests that clients wait for now. */
  active(): number;
  /** Whether nothing is under way on an upstream, beyond doubt. */
  isDrained(upstream: Upstream): boolean;
  /** What a pool's exchanges know of it, everywhere. */
  measure(entry: PoolEntry): PoolGauges;
  /** What other processes of ours take, bytes. */
  rssBytes(): number;
  /** Failings of our other processes. */
  processCounters(): ProcessCounters;
  /** Refuses new requests from now on, or no longer. */
  setShedding(isShedding: boolean): void;
  /** Takes nothing new; resolves when nothing is active. */
  drain(): Promise<void>;
  /** Cuts what is left. Resolves when nothing of it is there any more. */
  end(): Promise<void>;
  /** Cuts what is left, synchronously. */
  close(): void;
}
