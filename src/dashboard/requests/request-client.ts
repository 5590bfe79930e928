/** Asks the admin API about requests, with the right of whoever looks. Apart from what the other pages ask. */

import type { Cancel } from "../../lib/clock.ts";
import type {
  ExplainedRequest,
  DryRunResult,
  DryRunRequest,
  StoredRequest,
  RequestList,
} from "../../requests/request.ts";
import {
  type AdminAddress,
  headersWith,
  notUnderstood,
  type AdminResult,
  errorFrom,
  unreachableResult,
} from "../admin-client.ts";
import { isRecord, parseJson } from "../../lib/json.ts";
import type { AdminApiError } from "../picture.ts";
import { exchangeWeb, type WebRequest } from "../../client/http-client.ts";
import { readEvents } from "../../client/sse-reader.ts";
import { dryRunIn, explainedIn, requestIn, requestsIn } from "./shapes.ts";

export interface RequestListener {
  readonly opened: () => void;
  readonly request: (request: StoredRequest) => void;
  /** So many more came than the stream could carry. */
  readonly missed: (count: number) => void;
  /** Called once; without a trouble the stream came to its end. */
  readonly ended: (error: AdminApiError | undefined) => void;
}

/** Nothing here rejects: what goes wrong is the result. */
export interface RequestClient {
  /** @param query as the admin API has it */
  list(query: URLSearchParams): Promise<AdminResult<RequestList>>;
  explain(requestId: string): Promise<AdminResult<ExplainedRequest>>;
  dryRun(ask: DryRunRequest): Promise<AdminResult<DryRunResult>>;
  /** Follows what comes from now on. @param filter as the admin API has it */
  follow(filter: URLSearchParams, listener: RequestListener): Cancel;
}

/** Somebody waits for each of these. */
const timeoutMs = 5_000;

export function requestClient({ adminUrl, bearer }: AdminAddress): RequestClient {
  const url = (path: string) => new URL(path, adminUrl.endsWith("/") ? adminUrl : `${adminUrl}/`);

  async function tell<Value>(
    { path, ...request }: Pick<WebRequest, "method" | "body"> & { readonly path: string },
    read: (value: unknown) => Value | undefined,
  ): Promise<AdminResult<Value>> {
    try {
      const fields = {
        ...headersWith(bearer()),
        ...(request.body !== undefined && { "content-type": "application/json" }),
      };
      const response = await exchangeWeb({ ...request, url: url(path), headers: fields, timeoutMs });
      if (response.status !== 200) return { error: errorFrom(response) };
      const value = read(parseJson(response.text));
      return value === undefined ? { error: notUnderstood } : { value };
    } catch (error) {
      return { error: unreachableResult(error) };
    }
  }

  return {
    list: (query) => tell({ method: "GET", path: `api/requests?${query}` }, requestsIn),

    explain: (requestId) =>
      tell({ method: "GET", path: `api/requests/${encodeURIComponent(requestId)}` }, explainedIn),

    dryRun: (ask) =>
      tell({ method: "POST", path: "api/requests/dry-run", body: JSON.stringify(ask) }, dryRunIn),

    follow: (filter, { opened, request, missed, ended }) =>
      readEvents({
        url: url(`api/requests/stream?${filter}`),
        headers: headersWith(bearer()),
        onOpen: opened,
        onEvent(name, data) {
          const value = parseJson(data);
          if (name === "missed") return missed(countIn(value));
          const known = name === "request" ? requestIn(value) : undefined;
          if (known) request(known);
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
