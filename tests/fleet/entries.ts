/** Entries for tests of a fleet. */

import type { Entry, LocalEntry, Order } from "../../src/fleet/entry.ts";
import type { Mode } from "../../src/pool/upstream.ts";

export const meta = { by: "ann", at: 1_000, why: "" };

export const modeOrder = (mode: Mode, upstream = "s1"): Order => ({ kind: "mode", upstream, mode, ...meta });

/** Ids have at least eight characters in the store. */
export const idOf = (name: string): string => `order-${name.padStart(3, "0")}`;

export function entry(name: string, order: Order, past: readonly string[] = []): Entry {
  return { id: idOf(name), past: past.map(idOf), peer: `peer-of-${name}`, order, aside: [] };
}

export const local = (one: Entry, isPending = false): LocalEntry => ({ ...one, isPending });
