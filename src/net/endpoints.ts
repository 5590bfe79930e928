/** The IP addresses behind one upstream's host name: connects use them in turn, an address that failed recently last. */

import { type Clock, systemClock } from "../lib/clock.ts";

/** How long an address that failed is passed over, after the first failure and at most; milliseconds. */
const firstPenaltyMs = 5_000;
const maxPenaltyMs = 300_000;

interface Endpoint {
  readonly host: string;
  /** Failed connects in a row. */
  failures: number;
  /** Clock time until which others are preferred. */
  avoidedUntil: number;
}

/**
 * Before the first answer, and for an IP address, the only host is the name itself, which the runtime then resolves.
 * A host is an IP address without brackets, or a name.
 */
export class Endpoints {
  /** The name in the configuration, without brackets. */
  readonly name: string;
  readonly #clock: Clock;
  #endpoints: readonly Endpoint[];
  #hosts: readonly string[];
  #turn = 0;
  /** Counts the answers that removed a host. */
  generation = 0;
  /** Called by {@link suspect} and after a failed connect; set by the watcher of the name. */
  onFailure: (() => void) | undefined;

  constructor(hostname: string, clock: Clock = systemClock) {
    this.name = hostname.replace(/^\[(.*)\]$/, "$1");
    this.#clock = clock;
    this.#endpoints = [newEndpoint(this.name)];
    this.#hosts = [this.name];
  }

  get count(): number {
    return this.#endpoints.length;
  }

  /** The same array while the same hosts are known. */
  get hosts(): readonly string[] {
    return this.#hosts;
  }

  /** Whether they are addresses that a query found for the name. */
  get areFound(): boolean {
    return this.#hosts[0] !== this.name;
  }

  has(host: string): boolean {
    return this.#endpoints.some((endpoint) => endpoint.host === host);
  }

  /** The host of the next connect: in turn, one that failed recently only when no other is left. */
  next(): string {
    const [only] = this.#endpoints;
    if (only && this.#endpoints.length === 1) return only.host;
    return this.nextExcept([]) ?? this.name;
  }

  /** The same, without the hosts that this connect has tried; undefined when all of them were tried. */
  nextExcept(tried: readonly string[]): string | undefined {
    const endpoints = this.#endpoints;
    const now = this.#clock();
    const start = (this.#turn = (this.#turn + 1) % endpoints.length);
    let best: Endpoint | undefined;
    for (let i = 0; i < endpoints.length && !(best && best.avoidedUntil <= now); i++) {
      const candidate = endpoints[(start + i) % endpoints.length] as Endpoint;
      if (tried.includes(candidate.host)) continue;
      if (!best || candidate.avoidedUntil < best.avoidedUntil) best = candidate;
    }
    return best?.host;
  }

  /** The answer to a question for the name. An empty one changes nothing. Known hosts keep their failures. */
  replace(hosts: readonly string[]): void {
    if (hosts.length === 0) return;
    const before = new Map(this.#endpoints.map((endpoint) => [endpoint.host, endpoint]));
    const after = [...new Set(hosts)].map((host) => before.get(host) ?? newEndpoint(host));
    const isShrunk = this.#endpoints.some((endpoint) => !after.includes(endpoint));
    if (isShrunk || after.length > before.size) this.#hosts = after.map(({ host }) => host);
    this.#endpoints = after;
    if (isShrunk) this.generation += 1;
  }

  /** A connect to the host failed. */
  failed(host: string): void {
    const endpoint = this.#find(host);
    if (endpoint) {
      const penaltyMs = Math.min(firstPenaltyMs * 2 ** endpoint.failures, maxPenaltyMs);
      endpoint.failures += 1;
      endpoint.avoidedUntil = this.#clock() + penaltyMs;
    }
    this.suspect();
  }

  /** Something failed that may mean that the name has moved. */
  suspect(): void {
    this.onFailure?.();
  }

  /** A connect to the host succeeded. */
  worked(host: string): void {
    const endpoint = this.#find(host);
    if (!endpoint || endpoint.failures === 0) return;
    endpoint.failures = 0;
    endpoint.avoidedUntil = -Infinity;
  }

  #find(host: string): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.host === host);
  }
}

function newEndpoint(host: string): Endpoint {
  return { host, failures: 0, avoidedUntil: -Infinity };
}
