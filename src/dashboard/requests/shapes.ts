/** What the admin API tells of requests, and whether an answer is that: another version may say anything. */

import type { ExplainedRequest, DryRunResult, StoredRequest, RequestList } from "../../requests/request.ts";
import { areStrings, isRecord } from "../../lib/json.ts";

export function requestIn(value: unknown): StoredRequest | undefined {
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
  return isOne ? (value as unknown as StoredRequest) : undefined;
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

export function dryRunIn(value: unknown): DryRunResult | undefined {
  const isOne =
    isRecord(value) &&
    areNamed(value["candidates"]) &&
    areNamed(value["others"]) &&
    (value["route"] === null || isRecord(value["route"])) &&
    ["pool", "policy", "key", "chosen", "refusal"].every(
      (name) => value[name] === null || typeof value[name] === "string",
    );
  return isOne ? (value as unknown as DryRunResult) : undefined;
}

function areNamed(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((entry: unknown) => isRecord(entry) && typeof entry["upstream"] === "string")
  );
}
