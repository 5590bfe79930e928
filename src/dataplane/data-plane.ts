/** The interface between control plane and data plane. */

import type { Config } from "../config/config.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";
import type { ProcessCounters } from "../metrics/process-families.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { PoolEntry } from "../registry/destinations.ts";
import type { WorkerSnapshot } from "../snapshot/snapshot.ts";

/** Current values of a pool that are not sums over its attempts. */
export interface PoolGauges {
  /** Retries that the budget can pay for now. */
  readonly retryBudget: { readonly balance: number };
  /** Requests that wait for a slot. */
  readonly queue: { readonly size: number };
}

/** Serves clients. `LocalDataPlane` does so in this process, `WorkerDataPlane` in several worker processes. */
export interface DataPlane {
  /** The port of each client listener, in the order of the configuration; empty before they listen. */
  readonly ports: readonly number[];
  /** The sockets of each listener, for another process; undefined where the engine cannot hand them over. */
  sockets(): readonly (readonly ListeningSocket[])[] | undefined;
  /** Another process accepts the new connections from now on. A drain follows. */
  retire(): void;
  /** Undefined if a single process does everything. */
  readonly workers?: readonly WorkerSnapshot[];
  /** Aborts all attempts on one upstream and returns how many; undefined if the engine cannot abort. */
  readonly abortAttempts: ((upstream: Upstream) => number | Promise<number>) | undefined;
  /** Starts to accept clients. Rejects with the system's error code if the port is not available. */
  listen(): Promise<void>;
  /** Call it after pools, modes or health have changed. */
  apply(desired: Config): void;
  /** Brings the meters up to date before they are read. */
  refreshCounters(): void;
  /** Client requests in flight now. */
  active(): number;
  /** Connections of clients now, of all processes; null where the engine does not tell. */
  clients(): number | null;
  /** True only if it is certain that nothing is in flight on the upstream, in any process. */
  isDrained(upstream: Upstream): boolean;
  /** A pool's gauges, summed over all processes. */
  measure(entry: PoolEntry): PoolGauges;
  /** Resident memory of the worker processes, bytes; 0 if there are no workers. */
  rssBytes(): number;
  /** Internal errors of the worker processes. */
  processCounters(): ProcessCounters;
  /** Refuses new requests, or stops refusing them. */
  setShedding(isShedding: boolean): void;
  /** Resolves when every process answers the challenges of certificate authorities as they are now. Missing where there is only one. */
  announceChallenges?(): Promise<void>;
  /** Reopens log files that were moved away, in processes that write them. */
  reopenLogs?(): void;
  /** Accepts no new connections or requests; resolves when nothing is active. */
  drain(): Promise<void>;
  /** Aborts what is left. Resolves when its attempts have ended. */
  end(): Promise<void>;
  /** Aborts what is left, synchronously. */
  close(): void;
}
