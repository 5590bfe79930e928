/** The dashboard's client of the admin API. It works the same for a balancer in this process and on another machine. */

import type { Setting } from "../config/effective.ts";
import type { UpstreamDetail } from "../snapshot/snapshot.ts";
import type { HistoryResult, HistoryQuery, RangeQuery } from "../history/history.ts";
import { areStrings, isRecord, parseJson } from "../lib/json.ts";
import { momentText } from "../lib/time-range.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { RoutesReport } from "../snapshot/route-report.ts";
import type { Intent } from "../state/intent.ts";
import { type DashboardCommand, type OrderRequest, requestFor } from "./actions/command.ts";
import {
  eventsIn,
  intentsIn,
  isDetail,
  isHistory,
  isSnapshot,
  type ProblemSpan,
  problemSpansIn,
  type ReloadView,
  reloadIn,
  rotationIn,
  type RotationView,
  routesIn,
  settingsIn,
} from "../client/decoders.ts";
import type { ReadResult, AdminApiError } from "../wording/verdict.ts";
import { describeError, type WebResponse } from "../client/http-client.ts";
import type { AdminEndpoints } from "./admin-endpoints.ts";

/** The requested value, or the error. */
export type AdminResult<Value> = { readonly value: Value } | { readonly error: AdminApiError };

/** No method rejects: errors are results. */
export interface AdminClient {
  read(): Promise<ReadResult>;
  upstream(id: string): Promise<AdminResult<UpstreamDetail>>;
  history(query: HistoryQuery): Promise<AdminResult<HistoryResult>>;
  historyRange(query: RangeQuery): Promise<AdminResult<HistoryResult>>;
  /** Routes with their traffic of the last minute, worst first. */
  routes(): Promise<AdminResult<RoutesReport>>;
  settings(): Promise<AdminResult<readonly Setting[]>>;
  /** What operators set at run time, oldest first. */
  intents(): Promise<AdminResult<readonly Intent[]>>;
  /** The intents as a configuration file. */
  exported(): Promise<AdminResult<string>>;
  /** @param query in the format of the admin API */
  events(query: URLSearchParams): Promise<AdminResult<readonly BalancerEvent[]>>;
  /** Problems of a time, also closed ones. @param query in the format of the admin API */
  problems(query: URLSearchParams): Promise<AdminResult<readonly ProblemSpan[]>>;
  /** Reloads the configuration, or with `dry` only returns what would change. */
  reload(mode: "dry" | "apply"): Promise<AdminResult<ReloadView>>;
  /** Reads the files of the certificates again. */
  reloadCertificates(): Promise<AdminResult<RotationView>>;
  /** Undefined if the command was carried out, else the error. */
  order(order: DashboardCommand): Promise<AdminApiError | undefined>;
  /** The id of the new upstream, or the error. */
  add(order: Extract<DashboardCommand, { to: "add" }>): Promise<AdminResult<string>>;
}

export interface AdminAddress {
  readonly endpoints: AdminEndpoints;
  /** The bearer token, read for every request. */
  readonly bearer: () => string | undefined;
}

/** The poll interval is one second: after two missed polls the page shows an outage. */
const readTimeoutMs = 2_000;

/** For requests that a user made once: waiting is better than having to repeat them. */
const patientTimeoutMs = 5_000;

export function adminClient({ endpoints, bearer }: AdminAddress): AdminClient {
  const headersNow = () => headersWith(bearer());

  async function readJson<Value>(
    path: string,
    read: (value: unknown) => Value | undefined,
    timeoutMs = readTimeoutMs,
  ): Promise<AdminResult<Value>> {
    const result = await readText(path, timeoutMs);
    return "value" in result ? understood(read(parseJson(result.value))) : result;
  }

  async function readText(path: string, timeoutMs: number): Promise<AdminResult<string>> {
    try {
      const response = await endpoints.exchange({ method: "GET", path, headers: headersNow(), timeoutMs });
      return response.status === 200 ? { value: response.text } : { error: errorFrom(response) };
    } catch (error) {
      return { error: unreachableResult(error) };
    }
  }

  async function send({ method, path, body }: OrderRequest): Promise<AdminResult<unknown>> {
    try {
      const response = await endpoints.exchange({
        method,
        path,
        timeoutMs: patientTimeoutMs,
        headers: { ...headersNow(), ...(body && { "content-type": "application/json" }) },
        body: body ? JSON.stringify(body) : "",
      });
      return [200, 201, 202].includes(response.status)
        ? { value: parseJson(response.text) }
        : { error: errorFrom(response) };
    } catch (error) {
      return { error: unreachableResult(error) };
    }
  }

  return {
    async read() {
      const result = await readJson("api/snapshot", (value) => (isSnapshot(value) ? value : undefined));
      return "value" in result ? { snapshot: result.value } : result;
    },

    upstream: (id) =>
      readJson(`api/upstreams/${encodeURIComponent(id)}`, (value) => (isDetail(value) ? value : undefined)),

    history(query) {
      const parameters = new URLSearchParams();
      for (const [name, value] of Object.entries(query))
        if (value !== undefined) parameters.set(name, String(value));
      return readJson(`api/history?${parameters}`, (value) => (isHistory(value) ? value : undefined));
    },

    historyRange({ from, to, maxPoints, ...subject }) {
      const parameters = new URLSearchParams({ from: momentText(from), to: momentText(to) });
      if (maxPoints !== undefined) parameters.set("points", String(maxPoints));
      for (const [name, value] of Object.entries(subject))
        if (value !== undefined) parameters.set(name, value);
      return readJson(
        `api/history?${parameters}`,
        (value) => (isHistory(value) ? value : undefined),
        patientTimeoutMs,
      );
    },

    routes: () => readJson("api/routes", routesIn, patientTimeoutMs),
    settings: () => readJson("api/config", settingsIn),
    intents: () => readJson("api/state", intentsIn),
    exported: () => readText("api/state/export", patientTimeoutMs),
    problems: (query) => readJson(`api/problems?${query}`, problemSpansIn, patientTimeoutMs),
    events: (query) => readJson(`api/events?${query}`, eventsIn, patientTimeoutMs),

    async reload(mode) {
      const result = await send({ method: "POST", path: mode === "dry" ? "api/reload?dry=1" : "api/reload" });
      return "value" in result ? understood(reloadIn(result.value)) : result;
    },

    async reloadCertificates() {
      const result = await send({ method: "POST", path: "api/certificates/reload" });
      return "value" in result ? understood(rotationIn(result.value)) : result;
    },

    async order(order) {
      const result = await send(requestFor(order));
      return "error" in result ? result.error : undefined;
    },

    async add(order) {
      const result = await send(requestFor(order));
      if ("error" in result) return result;
      const id = isRecord(result.value) ? result.value["id"] : undefined;
      return typeof id === "string" ? { value: id } : { error: notUnderstood };
    },
  };
}

/** The headers of every request to the admin API. */
export function headersWith(token: string | undefined): Readonly<Record<string, string>> {
  return {
    accept: "application/json",
    "user-agent": "evenkeel-dashboard",
    "x-evenkeel-actor": "dashboard",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

export const notUnderstood: AdminApiError = {
  reason: "not_understood",
  message: "The response does not match the admin API of this version",
};

function understood<Value>(value: Value | undefined): AdminResult<Value> {
  return value === undefined ? { error: notUnderstood } : { value };
}

export function unreachableResult(error: unknown): AdminApiError {
  return { reason: "unreachable", message: describeError(error) };
}

export function errorFrom({ status, text }: WebResponse): AdminApiError {
  if (status === 401) return { reason: "unauthorized", message: "The admin API rejected the token" };
  if (status === 404) return { reason: "missing", message: messageIn(parseJson(text)) ?? "Not found" };
  const body = parseJson(text);
  const problems = isRecord(body) ? body["problems"] : undefined;
  return {
    reason: "refused",
    message: messageIn(body) ?? `The admin API returned status ${status}`,
    ...(areStrings(problems) && { problems }),
  };
}

function messageIn(value: unknown): string | undefined {
  const detail = isRecord(value) ? value["detail"] : undefined;
  return typeof detail === "string" && detail !== "" ? detail.replace(/\.$/, "") : undefined;
}
