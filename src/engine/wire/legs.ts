/** The one or two attempts of a request that are under way, each with its connection: which of them is the present one. */

import type { Attempt } from "../../pool/attempt.ts";
import { cancelled } from "../../pool/outcome.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

/**
 * ```
 *  one ──setAside, and a second begins──▶ two ──resume, dropOther──▶ one
 * ```
 * Of two, the one of which something is heard becomes the present one, and the other waits its turn.
 */
export class AttemptPair {
  /** The present one's. */
  attempt: Attempt | undefined;
  upstream: UpstreamConnection | undefined;
  #other: { readonly attempt: Attempt; readonly upstream: UpstreamConnection | undefined } | undefined;

  get isPair(): boolean {
    return this.#other !== undefined;
  }

  /** A second one begins beside the present one. */
  setAside(): void {
    this.#other = this.attempt && { attempt: this.attempt, upstream: this.upstream };
    this.attempt = undefined;
    this.upstream = undefined;
  }

  /** That connection speaks: makes its attempt the present one. */
  switchToConnection(upstream: UpstreamConnection): void {
    if (this.#other?.upstream === upstream) this.switchTo(this.#other.attempt);
  }

  /** Makes it the present one of two. */
  switchTo(attempt: Attempt): void {
    const [other, present, upstream] = [this.#other, this.attempt, this.upstream];
    if (other?.attempt !== attempt) return;
    this.#other = present && { attempt: present, upstream };
    this.attempt = attempt;
    this.upstream = other.upstream;
  }

  /** Goes on with the other one alone; false if this is not it. */
  resume(attempt: Attempt): boolean {
    if (attempt !== this.#other?.attempt) return false;
    this.switchTo(attempt);
    this.#other = undefined;
    return true;
  }

  /** Nobody waits for the other one any more. */
  dropOther(): void {
    this.#other?.attempt.end(cancelled);
    this.#other?.upstream?.abort();
    this.#other = undefined;
  }
}
