/** Asks the public address as a client does: what no upstream's probe can tell is whether clients reach this balancer at all. */

import { parseAddress } from "../config/network.ts";
import type { Cancel, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { bugs } from "../lib/bugs.ts";
import { Endpoints } from "../net/endpoints.ts";
import type { Probe, ProbePlan } from "../probe/probe.ts";

export interface FrontDoorOptions {
  /** The public address now; undefined to ask none. */
  readonly address: () => string | undefined;
  readonly probe: Probe;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly log: Log;
}

/** Clients do not reach the balancer. */
export interface ClosedFrontDoor {
  readonly address: string;
  /** Epoch milliseconds of the first try that failed. */
  readonly since: number;
  /** "status 502", "connection refused" */
  readonly why: string;
}

const intervalMs = 10_000;

/** While the tries do not agree. So three of them take ten seconds. */
const changingMs = 5_000;

const triesToChange = 3;

const plan: Omit<ProbePlan, "path"> = {
  ...{ kind: "http", intervalMs, changingIntervalMs: changingMs, jitter: 0, timeoutMs: 5_000 },
  ...{ rise: triesToChange, fall: triesToChange },
};

/**
 * ```
 *  open ──three bad tries in a row──▶ closed ──three good tries in a row──▶ open
 * ```
 */
export class FrontDoorMonitor {
  readonly #options: FrontDoorOptions;
  #cancel: Cancel | undefined;
  #isRunning = false;
  #address: string | undefined;
  /** Tries in a row that say something else than the state. */
  #against = 0;
  #failingSince = 0;
  #closed: ClosedFrontDoor | undefined;

  constructor(options: FrontDoorOptions) {
    this.#options = options;
  }

  /** Undefined while clients reach it, and where no address is asked. */
  get closed(): ClosedFrontDoor | undefined {
    return this.#address === this.#options.address() ? this.#closed : undefined;
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#next(0);
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancel?.();
  }

  #next(delayMs: number): void {
    if (!this.#isRunning) return;
    const { schedule, log } = this.#options;
    this.#cancel = schedule(delayMs, () => {
      this.#try()
        .catch((error: unknown) => bugs.report(log, error, { in: "front door" }))
        .finally(() => this.#next(this.#against > 0 ? changingMs : intervalMs));
    });
  }

  async #try(): Promise<void> {
    const { address, probe, wallClock } = this.#options;
    const asked = address();
    if (asked !== this.#address) {
      this.#address = asked;
      this.#against = 0;
      this.#closed = undefined;
    }
    if (asked === undefined) return;
    const at = wallClock();
    const { pathname, search } = new URL(asked);
    const server = { address: parseAddress(asked), endpoints: new Endpoints(new URL(asked).hostname) };
    const result = await probe(server, { ...plan, path: pathname + search });
    // Without a descriptor nothing was asked. A stopped monitor may have a successor by now.
    if ("exhausted" in result || !this.#isRunning) return;
    this.#take({ address: asked, since: at, why: result.detail }, hasAnswered(result.detail));
  }

  #take({ address, since, why }: ClosedFrontDoor, isGood: boolean): void {
    const isAgainst = isGood === (this.#closed !== undefined);
    if (!isGood && this.#closed) this.#closed = { ...this.#closed, why };
    if (!isAgainst) return void (this.#against = 0);
    if (this.#against === 0) this.#failingSince = since;
    this.#against += 1;
    if (this.#against < triesToChange) return;
    this.#against = 0;
    this.#closed = isGood ? undefined : { address, since: this.#failingSince, why };
  }
}

/** Also 404: what answers is there. @param detail of a probe */
function hasAnswered(detail: string): boolean {
  return /^status [1-4]\d\d$/.test(detail);
}
