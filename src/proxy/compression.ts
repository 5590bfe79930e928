/** The contract of response compression: what is decided by the heads of a request and its response. */

import type { FieldEdit } from "./head-edit.ts";
import type { RequestHead } from "./request-head.ts";

/** In the order of preference: zstd (RFC 8878), Brotli (RFC 7932), gzip (RFC 1952). */
export const contentCodings = ["zstd", "br", "gzip"] as const;
export type ContentCoding = (typeof contentCodings)[number];

/** How a body is compressed. */
export interface CompressionPlan {
  readonly coding: ContentCoding;
  /** Effort, as each coding counts it. */
  readonly level: number;
}

/** An upstream's response as the decision reads it. */
export interface CompressibleResponse {
  readonly status: number;
  /** Bytes of the body; undefined where only its end will tell. */
  readonly bodyBytes: number | undefined;
  /** A field's value by its lower-case name, repeated ones joined with ", "; undefined if absent. */
  header(name: string): string | undefined;
}

/** What changes in the head. Its framing is the engine's: a compressed body has no length. */
export interface CompressionDecision extends FieldEdit {
  /** Absent where the body passes as it is, and only the head says that other clients may get another one. */
  readonly plan?: CompressionPlan;
}

/** Decides about the responses of a route. */
export interface ResponseCompression {
  /** @returns undefined for a response that does not change */
  decide(request: RequestHead, response: CompressibleResponse): CompressionDecision | undefined;
}
