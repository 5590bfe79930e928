/** What the system no longer gives to this process: file descriptors, local ports, memory for sockets. Counts it by error code. */

import { closeSync, openSync } from "node:fs";
import { type Clock, systemClock } from "./clock.ts";

/** A socket could not be made, or not bound to a local port. It says nothing about the peer. */
const exhaustionCodes: ReadonlySet<string> = new Set([
  ...["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "EAGAIN"],
]);

/**
 * Codes behind which a runtime hides that it could not open a descriptor (measured on Bun 1.4.5 and Deno 2.9.6): Bun's
 * sockets report ECONNREFUSED, names that cannot be resolved without a descriptor are "not found", and Deno's WebSocket
 * reports no code of the system (19 is that of a DOMException).
 */
const ambiguous: ReadonlySet<string> = new Set([
  ...[
    "",
    "19",
    "ECONNREFUSED",
    "ConnectionRefused",
    "FailedToOpenSocket",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EAI_SYSTEM",
  ],
]);

/** A descriptor that was short a moment ago may be free at the time of the check. */
const recentMs = 1_000;

export interface ExhaustionOptions {
  readonly clock: Clock;
  /** The error code of an attempt to open a file; undefined if it can be opened. */
  readonly descriptorProblem: () => string | undefined;
  /** Deno's node:net reports EADDRNOTAVAIL as EINVAL. */
  readonly reportsEinval: boolean;
}

export class Exhaustion {
  readonly #options: ExhaustionOptions;
  readonly #counts = new Map<string, number>();
  #lastShortAt = -Infinity;
  #lastShortCode = "";

  constructor(options: ExhaustionOptions) {
    this.#options = options;
  }

  /** Failures since the process started, by error code. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Whether no descriptor is free, or was a moment ago. */
  get isShort(): boolean {
    return this.ownCodeOf("") !== undefined;
  }

  /** Counts an attempt or a probe that this process could not make. @param code of {@link ownCodeOf} */
  count(code: string): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  /**
   * For a connect that failed.
   * @param code as the runtime reports it; empty if it reports none
   * @returns the system's error code if this process is the cause; undefined if it is the peer or the network
   */
  ownCodeOf(code: string): string | undefined {
    if (exhaustionCodes.has(code)) return this.#noted(code);
    if (code === "EINVAL" && this.#options.reportsEinval) return "EADDRNOTAVAIL";
    if (!ambiguous.has(code)) return undefined;
    const problem = this.#options.descriptorProblem();
    if (problem !== undefined) return this.#noted(problem);
    return this.#options.clock() - this.#lastShortAt < recentMs ? this.#lastShortCode : undefined;
  }

  #noted(code: string): string {
    if (!concernsAllHosts(code)) return code;
    this.#lastShortAt = this.#options.clock();
    this.#lastShortCode = code;
    return code;
  }
}

/**
 * Whether no other host can be reached either. Ports are short for each host on its own, and a machine may have no IPv6 address.
 * @param code of {@link Exhaustion.ownCodeOf}
 */
export function concernsAllHosts(code: string | undefined): boolean {
  return code !== undefined && code !== "EADDRNOTAVAIL";
}

/** Opens a file and closes it. */
function descriptorProblem(): string | undefined {
  try {
    closeSync(openSync("/dev/null", "r"));
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return exhaustionCodes.has(code) ? code : undefined;
  }
}

/** The process-wide instance, because descriptors and ports belong to the process. */
export const exhaustion = new Exhaustion({
  clock: systemClock,
  descriptorProblem,
  reportsEinval: "Deno" in globalThis,
});
