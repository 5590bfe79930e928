/** W3C Trace Context (level 2): what a client's `traceparent` says, and the one that our upstreams get. */

import { type Random, randomIndex } from "../lib/random.ts";

/** Where one request stands in a trace. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** Of the exchange, 16 hex digits: what upstreams take for their parent. */
  readonly spanId: string;
  /** Of the client, 16 hex digits; undefined where the trace begins here. */
  readonly parentId: string | undefined;
}

/**
 * What becomes of a request that carries this `traceparent`.
 * @returns undefined for one that is not traced: its fields pass as they came
 */
export type Tracer = (traceparent: string | undefined) => TraceContext | undefined;

/** Version 00 to the letter; later ones may go on behind the flags (section 3.2.4). */
const shape = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:$|-)/;

/** @param share of the requests without a decision of the client's that are traced, 0–1 */
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

/** Undefined for what is malformed: the trace then begins anew (section 4.3). */
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

/** Never all zeros, which would be no id. @param words of eight digits each */
export function hex(random: Random, words: number): string {
  const all = Array.from({ length: words }, () => randomIndex(random, 2 ** 32));
  if (!all.some((word) => word > 0)) all[0] = 1;
  return all.map((word) => word.toString(16).padStart(8, "0")).join("");
}
