/** The requests of late as others read them: types and nothing else. */

import type { PolicyName } from "../policy/policies.ts";
import type { Candidate, RequestRecord } from "../proxy/record.ts";
import type { RefusalReason } from "../proxy/refusal.ts";

export interface StoredRequest extends RequestRecord {
  /** Grows from request to request, and begins anew with the process. */
  readonly seq: number;
}

export type RequestListKind = "recent" | "slowest" | "failed";

export interface RequestQuery {
  readonly which: RequestListKind;
  readonly limit: number;
  /** Only those with a smaller number. */
  readonly before?: number;
  readonly pool?: string;
  /** That one attempt went to, at least. */
  readonly upstream?: string;
  readonly method?: string;
  /** "404", or "4xx". */
  readonly status?: string;
  /** What the target begins with. */
  readonly path?: string;
  /** Of the refusal, of an attempt, or why it was or was not tried again. */
  readonly reason?: string;
}

export interface RequestList {
  readonly requests: readonly StoredRequest[];
  /** Whether more requests came than are kept. */
  readonly sampled: boolean;
}

/** One request, explained. */
export interface ExplainedRequest extends StoredRequest {
  /** What happened, in sentences. */
  readonly account: readonly string[];
}

/** A request that is not sent. */
export interface DryRunRequest {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Where it would go now. */
export interface DryRunResult {
  /** What matched; both null for the route that matches everything. The whole is null if none does. */
  readonly route: { readonly host: string | null; readonly path: string | null } | null;
  readonly pool: string | null;
  readonly policy: PolicyName | null;
  readonly key: string | null;
  /** Where policies throw dice, another time may give another one. */
  readonly chosen: string | null;
  /** Those that are fit, at most sixteen of them. */
  readonly candidates: readonly Candidate[];
  /** How many are fit in all. */
  readonly fit: number;
  /** Those that are not, at most fifty of them. */
  readonly others: readonly { readonly upstream: string; readonly why: string }[];
  /** How many are not, in all. */
  readonly out: number;
  /** What it would be refused with. */
  readonly refusal: RefusalReason | null;
}
