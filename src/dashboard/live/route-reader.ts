/** Reads for all viewers which routes lead to which pool. They change with the configuration only. */

import type { Clock } from "../../lib/clock.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { type PoolRoutes, routesByPool } from "../../wording/routes.ts";
import type { AdminClient } from "../admin-client.ts";

export interface RouteReaderOptions {
  readonly admin: Pick<AdminClient, "routes">;
  /** The balancer that is read now: routes of another one are given up. */
  readonly source: () => string;
  readonly clock: Clock;
}

type RouteSubject = Pick<Snapshot, "startedAt" | "configuration">;

/** After a reading that failed. */
const restMs = 60_000;

const none: PoolRoutes = new Map();

export class RouteReader {
  readonly #options: RouteReaderOptions;
  #last = none;
  #source = "";
  /** The configuration of the last result; undefined without one. */
  #version: string | undefined;
  #asked: string | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<PoolRoutes> | undefined;

  constructor(options: RouteReaderOptions) {
    this.#options = options;
  }

  /** Waits for the first result alone: later ones are read in the background. Never rejects; empty without a result. */
  of({ startedAt, configuration }: RouteSubject): Promise<PoolRoutes> {
    const { clock, source } = this.#options;
    if (source() !== this.#source) {
      this.#source = source();
      this.#last = none;
      this.#version = this.#asked = this.#reading = undefined;
    }
    const version = `${startedAt} ${configuration.takenAt}`;
    const isDue = version !== this.#asked || clock() - this.#askedAt >= restMs;
    if (version !== this.#version && !this.#reading && isDue) {
      this.#asked = version;
      this.#askedAt = clock();
      this.#reading = this.#read(version);
    }
    return this.#version === undefined && this.#reading ? this.#reading : Promise.resolve(this.#last);
  }

  async #read(version: string): Promise<PoolRoutes> {
    const source = this.#source;
    const result = await this.#options.admin.routes();
    if (source !== this.#source) return this.#last;
    this.#reading = undefined;
    if ("value" in result) {
      this.#version = version;
      this.#last = routesByPool(result.value);
    }
    return this.#last;
  }
}
