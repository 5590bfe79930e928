/** W3C Trace Context (level 2): reads a client's `traceparent` and creates the one for upstreams. */

import { type Random, randomIndex } from "../lib/random.ts";

/** The position of one request in a trace. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** Of the exchange, 16 hex digits: the parent of the upstream's spans. */
  readonly spanId: string;
  /** Of the client, 16 hex digits; undefined where the trace starts here. */
  readonly parentId: string | undefined;
}

/**
 * Decides whether a request with this `traceparent` is traced.
 * @returns undefined if not: its headers pass unchanged
 */
export type Tracer = (traceparent: string | undefined) => TraceContext | undefined;

/** Version 00 exactly; later versions may have more after the flags (section 3.2.4). */
const shape = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:$|-)/;

/** @param share share of the requests without a client's decision that are traced, 0–1 */
export function tracer(share: number, random: Random): Tracer {
  return (traceparent) => {
    const found = traceparent === undefined ? undefined : readTraceparent(traceparent);
    const isSampled = found ? found.isSampled : share > 0 && random() < share;
    if (!isSampled) return undefined;
    const traceId = found?.traceId ?? hex(random, 4);
    return { traceId, spanId: hex(random, 2), parentId: found?.parentId };
  };
}

export interface Traceparent {
  readonly traceId: string;
  readonly parentId: string;
  readonly isSampled: boolean;
}

/** Undefined if malformed: then a new trace starts (section 4.3). */
export function readTraceparent(text: string): Traceparent | undefined {
  const [whole, version, traceId = "", parentId = "", flags = ""] = shape.exec(text) ?? [];
  if (whole === undefined || version === "ff" || (version === "00" && whole.length !== text.length))
    return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId}-01`;
}

/** Random hex digits, never all zeros, which is no valid id. @param words number of eight-digit words */
export function hex(random: Random, words: number): string {
  const all = Array.from({ length: words }, () => randomIndex(random, 2 ** 32));
  if (!all.some((word) => word > 0)) all[0] = 1;
  return all.map((word) => word.toString(16).padStart(8, "0")).join("");
}
