/** The secret of sticky cookies that all balancers of a fleet share: the first one makes it, each keeps it. */

import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Seal } from "./seal.ts";
import type { FleetStore } from "./store.ts";

export interface StickySecretOptions {
  readonly store: FleetStore;
  readonly seal: Seal;
  readonly schedule: Schedule;
  readonly log: Log;
  /** Where this balancer keeps secrets. */
  readonly kept: {
    secret(purpose: string): string;
    keptSecret(purpose: string): string | undefined;
    keepSecret(purpose: string, value: string): void;
  };
  /** Called when other secrets are to be used. */
  readonly onChange: () => void;
}

const storeKey = "sticky-secret";
const ownPurpose = "sticky";
/** Under which this balancer keeps those of the fleet. */
export const fleetSecretPurpose = "sticky-fleet";

/** Another balancer may have another one for this long, after the store has lost its data. */
const lookMs = 10_000;

/** Of the fleet: the one in use, and the ones before. */
const maxFleetSecrets = 3;

const secretPattern = /^[\w+/=-]{32,128}$/;

export class StickySecret {
  readonly #options: StickySecretOptions;
  /** Of the fleet, the one in use first; empty before one was heard of. */
  #ofFleet: readonly string[];
  #cancels: readonly Cancel[] = [];
  #isLooking = false;
  #isUnreadable = false;

  constructor(options: StickySecretOptions) {
    this.#options = options;
    this.#ofFleet = options.kept.keptSecret(fleetSecretPurpose)?.split(" ") ?? [];
  }

  /** The first makes cookies, all are read: also the own one, which made cookies before this balancer knew the fleet's. */
  get secrets(): readonly string[] {
    return [...new Set([...this.#ofFleet, this.#options.kept.secret(ownPurpose)])];
  }

  start(): void {
    const { store, schedule } = this.#options;
    const look = () => void this.#look();
    this.#cancels = [store.onReady(look), repeat(schedule, lookMs, look)];
    look();
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { store, seal } = this.#options;
    try {
      let sealed = await store.get(storeKey);
      if (sealed === undefined) {
        const [first = ""] = this.secrets;
        await store.set(storeKey, seal.close(storeKey, first), { ifAbsent: true });
        sealed = await store.get(storeKey);
      }
      if (sealed !== undefined) this.#adopt(seal.open(storeKey, sealed));
    } catch {
      // What was kept goes on.
    } finally {
      this.#isLooking = false;
    }
  }

  #adopt(secret: string | undefined): void {
    const { kept, log, onChange } = this.#options;
    if (secret === undefined || !secretPattern.test(secret)) {
      if (!this.#isUnreadable)
        log.warn("sticky secret of the fleet unreadable", {
          why: "it was sealed with another key, or damaged",
        });
      this.#isUnreadable = true;
      return;
    }
    this.#isUnreadable = false;
    if (secret === this.#ofFleet[0]) return;
    const before = this.secrets[0];
    this.#ofFleet = [secret, ...this.#ofFleet.filter((one) => one !== secret)].slice(0, maxFleetSecrets);
    try {
      kept.keepSecret(fleetSecretPurpose, this.#ofFleet.join(" "));
    } catch (error) {
      log.warn("sticky secret not saved", { why: String(error) });
    }
    if (secret !== before) onChange();
  }
}
