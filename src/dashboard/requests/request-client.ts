/** Client of the admin API's request endpoints, with the viewer's credentials. */

import type { WebRequest } from "../../client/http-client.ts";
import { readEvents } from "../../client/sse-reader.ts";
import {
  type AdminAddress,
  type AdminResult,
  errorFrom,
  headersWith,
  notUnderstood,
  unreachableResult,
} from "../admin-client.ts";
import type { Cancel } from "../../lib/clock.ts";
import { areStrings, isRecord, parseJson } from "../../lib/json.ts";
import type { RequestList, StoredRequest } from "../../requests/recent-requests.ts";
import type { RequestSummary } from "../../requests/requests.ts";
import type { ExplainedRequest } from "../../requests/explanation.ts";
import type { DryRunResult, DryRunInput } from "../../requests/dry-run.ts";
import type { AdminApiError } from "../../wording/verdict.ts";

export interface RequestListener {
  readonly opened: () => void;
  readonly request: (request: StoredRequest) => void;
  /** Number of requests that the stream dropped. */
  readonly missed: (count: number) => void;
  /** Called once; the error is undefined if the stream ended regularly. */
  readonly ended: (error: AdminApiError | undefined) => void;
}

/** A list; one of kept requests has the cursor of the next page, null on the last one. */
export interface RequestPage extends RequestList {
  readonly next?: string | null;
}

/** Its promises never reject: errors are results. */
export interface RequestClient {
  /** @param query in the admin API's format */
  list(query: URLSearchParams): Promise<AdminResult<RequestPage>>;
  /** Counts and groups of kept requests. @param query a filter in the admin API's format */
  summary(query: URLSearchParams): Promise<AdminResult<RequestSummary>>;
  explain(requestId: string): Promise<AdminResult<ExplainedRequest>>;
  dryRun(request: DryRunInput): Promise<AdminResult<DryRunResult>>;
  /** Streams new requests. @param filter in the admin API's format */
  follow(filter: URLSearchParams, listener: RequestListener): Cancel;
}

/** Each call is made while a page waits for it. */
const timeoutMs = 5_000;

export function requestClient({ endpoints, bearer }: AdminAddress): RequestClient {
  async function call<Value>(
    { path, ...request }: Pick<WebRequest, "method" | "body"> & { readonly path: string },
    read: (value: unknown) => Value | undefined,
  ): Promise<AdminResult<Value>> {
    try {
      const headers = {
        ...headersWith(bearer()),
        ...(request.body !== undefined && { "content-type": "application/json" }),
      };
      const response = await endpoints.exchange({ ...request, path, headers, timeoutMs });
      if (response.status !== 200) return { error: errorFrom(response) };
      const value = read(parseJson(response.text));
      return value === undefined ? { error: notUnderstood } : { value };
    } catch (error) {
      return { error: unreachableResult(error) };
    }
  }

  return {
    list: (query) => call({ method: "GET", path: `api/requests?${query}` }, requestsIn),

    summary: (query) => call({ method: "GET", path: `api/requests/summary?${query}` }, summaryIn),

    explain: (requestId) =>
      call({ method: "GET", path: `api/requests/${encodeURIComponent(requestId)}` }, explainedIn),

    dryRun: (request) =>
      call({ method: "POST", path: "api/requests/dry-run", body: JSON.stringify(request) }, dryRunIn),

    follow: (filter, { opened, request, missed, ended }) =>
      readEvents({
        url: endpoints.urlOf(`api/requests/stream?${filter}`),
        headers: headersWith(bearer()),
        onOpen: opened,
        onEvent(name, data) {
          const value = parseJson(data);
          if (name === "missed") return missed(countIn(value));
          const parsedRequest = name === "request" ? requestIn(value) : undefined;
          if (parsedRequest) request(parsedRequest);
        },
        onEnd({ response, error }) {
          if (response) return ended(response.status === 200 ? notUnderstood : errorFrom(response));
          ended(error && unreachableResult(error));
        },
      }),
  };
}

function countIn(value: unknown): number {
  const count = isRecord(value) ? value["count"] : undefined;
  return typeof count === "number" && count > 0 ? count : 0;
}

/** Like the other decoders, returns undefined for an unexpected shape: the balancer may have another version. */
function requestIn(value: unknown): StoredRequest | undefined {
  const isValid =
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
  return isValid ? (value as unknown as StoredRequest) : undefined;
}

function requestsIn(value: unknown): RequestPage | undefined {
  const list = isRecord(value) ? value["requests"] : undefined;
  if (!isRecord(value) || !Array.isArray(list)) return undefined;
  const requests = list.flatMap((entry: unknown) => requestIn(entry) ?? []);
  if (requests.length !== list.length) return undefined;
  const { next } = value;
  return {
    requests,
    sampled: value["sampled"] === true,
    ...((typeof next === "string" || next === null) && { next }),
  };
}

function summaryIn(value: unknown): RequestSummary | undefined {
  if (!isRecord(value) || !isRecord(value["counts"]) || !Array.isArray(value["groups"])) return undefined;
  const areCounts = Object.values(value["counts"]).every((count) => typeof count === "number");
  const areGroups = value["groups"].every(
    (group: unknown) =>
      isRecord(group) &&
      typeof group["outcome"] === "string" &&
      typeof group["count"] === "number" &&
      areStrings(group["upstreams"]) &&
      areStrings(group["routes"]),
  );
  // An older balancer does not count by route.
  const routes = Array.isArray(value["routes"]) ? value["routes"] : [];
  const areRoutes = routes.every(
    (one: unknown) =>
      isRecord(one) && (one["route"] === null || typeof one["route"] === "string") && isRecord(one["counts"]),
  );
  if (!areCounts || !areGroups || !areRoutes) return undefined;
  return { ...(value as unknown as RequestSummary), routes };
}

function explainedIn(value: unknown): ExplainedRequest | undefined {
  const request = requestIn(value);
  const account = isRecord(value) ? value["account"] : undefined;
  return request && areStrings(account) ? { ...request, account } : undefined;
}

function dryRunIn(value: unknown): DryRunResult | undefined {
  const isValid =
    isRecord(value) &&
    areNamed(value["candidates"]) &&
    areNamed(value["others"]) &&
    (value["route"] === null || isRecord(value["route"])) &&
    ["pool", "policy", "key", "chosen", "refusal"].every(
      (name) => value[name] === null || typeof value[name] === "string",
    );
  // An older balancer does not compare routes.
  const compared = { over: [], not: [], readings: [], filters: [], answeredBy: null, split: null };
  return isValid ? ({ ...compared, ...value } as unknown as DryRunResult) : undefined;
}

function areNamed(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((entry: unknown) => isRecord(entry) && typeof entry["upstream"] === "string")
  );
}
