/** What a store of the operator's intent offers. Intent only: what is observed is observed anew after a restart. */

import type { Mode } from "../pool/upstream.ts";

/** That somebody set an upstream's mode. */
export interface ModeIntent {
  readonly upstream: string;
  readonly mode: Mode;
  readonly by: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** Durable and synchronous; never called on the way of a request. Throws what the medium throws. */
export interface Store {
  /** The latest intent for each upstream. */
  modes(): readonly ModeIntent[];
  /** Replaces the intent for one upstream; written through when it returns. */
  setMode(intent: ModeIntent): void;
  /** Does nothing the second time. */
  close(): void;
}
