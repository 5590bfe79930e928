/** What the admin API tells of requests, and whether an answer is that: another version may say anything. */

import type { Candidate, RequestRecord } from "../../proxy/record.ts";
import { isRecord } from "../admin-client.ts";

/** A request that the balancer still remembers. */
export interface KeptRequest extends RequestRecord {
  /** Rises with each request that is kept. */
  readonly seq: number;
}

export interface RequestList {
  readonly requests: readonly KeptRequest[];
  /** Whether more requests came than are kept. */
  readonly sampled: boolean;
}

export interface ExplainedRequest extends KeptRequest {
  /** What happened, sentence by sentence. */
  readonly account: readonly string[];
}

/** A request that is only thought of. */
export interface DryRunAsk {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where it would go. */
export interface DryRun {
  readonly route: { readonly host: string | null; readonly path: string | null } | null;
  readonly pool: string | null;
  readonly policy: string | null;
  readonly key: string | null;
  readonly chosen: string | null;
  readonly candidates: readonly Candidate[];
  /** Those that are out, and why. */
  readonly others: readonly { readonly upstream: string; readonly why: string }[];
  /** Why the balancer would answer itself. */
  readonly refusal: string | null;
}

export function requestIn(value: unknown): KeptRequest | undefined {
  const isOne =
    isRecord(value) &&
    ["requestId", "method", "target", "host", "clientAddress"].every(
      (name) => typeof value[name] === "string",
    ) &&
    areStrings(value["retried"]) &&
    areNamed(value["attempts"]) &&
    Array.isArray(value["choices"]) &&
    value["choices"].every(
      (choice: unknown) =>
        isRecord(choice) && typeof choice["chosen"] === "string" && areNamed(choice["candidates"]),
    );
  return isOne ? (value as unknown as KeptRequest) : undefined;
}

export function requestsIn(value: unknown): RequestList | undefined {
  const list = isRecord(value) ? value["requests"] : undefined;
  if (!isRecord(value) || !Array.isArray(list)) return undefined;
  const requests = list.flatMap((entry: unknown) => requestIn(entry) ?? []);
  return requests.length === list.length ? { requests, sampled: value["sampled"] === true } : undefined;
}

export function explainedIn(value: unknown): ExplainedRequest | undefined {
  const request = requestIn(value);
  const account = isRecord(value) ? value["account"] : undefined;
  return request && areStrings(account) ? { ...request, account } : undefined;
}

export function dryRunIn(value: unknown): DryRun | undefined {
  const isOne =
    isRecord(value) &&
    areNamed(value["candidates"]) &&
    areNamed(value["others"]) &&
    (value["route"] === null || isRecord(value["route"])) &&
    ["pool", "policy", "key", "chosen", "refusal"].every(
      (name) => value[name] === null || typeof value[name] === "string",
    );
  return isOne ? (value as unknown as DryRun) : undefined;
}

function areNamed(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((entry: unknown) => isRecord(entry) && typeof entry["upstream"] === "string")
  );
}

function areStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
