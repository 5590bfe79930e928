/** The one or two open attempts of a request that the runner follows, each with its connection. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled } from "../../pool/outcome.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

/**
 * The one or two open attempts of a request, each with its connection.
 * ```
 *  one ──setAside, a second one starts──▶ two ──resume, dropOther──▶ one
 * ```
 * Of two, the attempt of the latest event is the current one.
 */
export class AttemptPair {
  /** The current attempt and its connection. */
  attempt: Attempt | undefined;
  upstream: UpstreamConnection | undefined;
  #other: { readonly attempt: Attempt; readonly upstream: UpstreamConnection | undefined } | undefined;

  get isPair(): boolean {
    return this.#other !== undefined;
  }

  /** Makes room for a second attempt. */
  setAside(): void {
    this.#other = this.attempt && { attempt: this.attempt, upstream: this.upstream };
    this.attempt = undefined;
    this.upstream = undefined;
  }

  /** Makes the attempt of a connection the current one. */
  switchToConnection(upstream: UpstreamConnection): void {
    if (this.#other?.upstream === upstream) this.switchTo(this.#other.attempt);
  }

  /** Makes an attempt the current one, if it is the other of two. */
  switchTo(attempt: Attempt): void {
    const [other, current, upstream] = [this.#other, this.attempt, this.upstream];
    if (other?.attempt !== attempt) return;
    this.#other = current && { attempt: current, upstream };
    this.attempt = attempt;
    this.upstream = other.upstream;
  }

  /** Continues with the other attempt alone. @returns false if `attempt` is not the other one */
  resume(attempt: Attempt): boolean {
    if (attempt !== this.#other?.attempt) return false;
    this.switchTo(attempt);
    this.#other = undefined;
    return true;
  }

  dropOther(): void {
    this.#other?.attempt.end(cancelled);
    this.#other?.upstream?.abort();
    this.#other = undefined;
  }
}
