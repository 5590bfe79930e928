/** Reads and writes through the admin API, the same way whether the balancer runs in this process or far away. */

import type { Setting } from "../config/effective.ts";
import type { UpstreamDetail } from "../snapshot/snapshot.ts";
import type { HistoryResult, HistoryQuery } from "../history/history.ts";
import { areStrings, isRecord, parseJson } from "../lib/json.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Intent } from "../state/intent.ts";
import { type DashboardCommand, type OrderRequest, requestFor } from "./actions/command.ts";
import {
  eventsIn,
  intentsIn,
  isDetail,
  isHistory,
  isSnapshot,
  type ReloadView,
  reloadIn,
  settingsIn,
} from "../client/decoders.ts";
import type { ReadResult, AdminApiError } from "../wording/verdict.ts";
import { describeError, exchangeWeb, type WebResponse } from "../client/http-client.ts";

/** What was asked for, or why it is not to be had. */
export type AdminResult<Value> = { readonly value: Value } | { readonly error: AdminApiError };

/** Nothing here rejects: what goes wrong is the result. */
export interface AdminClient {
  read(): Promise<ReadResult>;
  upstream(id: string): Promise<AdminResult<UpstreamDetail>>;
  /** @param urgency `patient` for what somebody asked for once and has no other way to see */
  history(query: HistoryQuery, urgency?: "patient"): Promise<AdminResult<HistoryResult>>;
  settings(): Promise<AdminResult<readonly Setting[]>>;
  /** What operators set at run time, oldest first. */
  intents(): Promise<AdminResult<readonly Intent[]>>;
  /** That, as a configuration file. */
  exported(): Promise<AdminResult<string>>;
  /** @param query as the admin API has it */
  events(query: URLSearchParams): Promise<AdminResult<readonly BalancerEvent[]>>;
  /** Takes the configuration anew, or only says what that would change. */
  reload(way: "dry" | "apply"): Promise<AdminResult<ReloadView>>;
  /** Undefined if it is carried out, else why it is not. */
  order(order: DashboardCommand): Promise<AdminApiError | undefined>;
  /** The id that the new upstream has, or why there is none. */
  add(order: Extract<DashboardCommand, { to: "add" }>): Promise<AdminResult<string>>;
}

export interface AdminAddress {
  readonly adminUrl: string;
  /** What proves the right to ask, at the moment of asking. */
  readonly bearer: () => string | undefined;
}

/** Two missed seconds are an outage worth saying. */
const readTimeoutMs = 2_000;

/** Somebody waits for what was asked for once, and would rather wait a little longer than ask again. */
const patientTimeoutMs = 5_000;

export function adminClient({ adminUrl, bearer }: AdminAddress): AdminClient {
  const headersNow = () => headersWith(bearer());
  const url = (path: string) => new URL(path, adminUrl.endsWith("/") ? adminUrl : `${adminUrl}/`);

  async function tell<Value>(
    path: string,
    read: (value: unknown) => Value | undefined,
    timeoutMs = readTimeoutMs,
  ): Promise<AdminResult<Value>> {
    const result = await tellText(path, timeoutMs);
    return "value" in result ? understood(read(parseJson(result.value))) : result;
  }

  async function tellText(path: string, timeoutMs: number): Promise<AdminResult<string>> {
    try {
      const response = await exchangeWeb({ method: "GET", url: url(path), headers: headersNow(), timeoutMs });
      return response.status === 200 ? { value: response.text } : { error: errorFrom(response) };
    } catch (error) {
      return { error: unreachableResult(error) };
    }
  }

  async function send({ method, path, body }: OrderRequest): Promise<AdminResult<unknown>> {
    try {
      const response = await exchangeWeb({
        ...{ method, url: url(path), timeoutMs: patientTimeoutMs },
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
      const result = await tell("api/snapshot", (value) => (isSnapshot(value) ? value : undefined));
      return "value" in result ? { snapshot: result.value } : result;
    },

    upstream: (id) =>
      tell(`api/upstreams/${encodeURIComponent(id)}`, (value) => (isDetail(value) ? value : undefined)),

    history(query, urgency) {
      const asked = new URLSearchParams();
      for (const [name, value] of Object.entries(query))
        if (value !== undefined) asked.set(name, String(value));
      const timeoutMs = urgency === "patient" ? patientTimeoutMs : readTimeoutMs;
      return tell(`api/history?${asked}`, (value) => (isHistory(value) ? value : undefined), timeoutMs);
    },

    settings: () => tell("api/config", settingsIn),
    intents: () => tell("api/state", intentsIn),
    exported: () => tellText("api/state/export", patientTimeoutMs),
    events: (query) => tell(`api/events?${query}`, eventsIn, patientTimeoutMs),

    async reload(way) {
      const result = await send({ method: "POST", path: way === "dry" ? "api/reload?dry=1" : "api/reload" });
      return "value" in result ? understood(reloadIn(result.value)) : result;
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

/** What every request to the admin API carries. */
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
  message: "what answers there is not the admin API of a balancer of this version",
};

function understood<Value>(value: Value | undefined): AdminResult<Value> {
  return value === undefined ? { error: notUnderstood } : { value };
}

export function unreachableResult(error: unknown): AdminApiError {
  return { reason: "unreachable", message: describeError(error) };
}

export function errorFrom({ status, text }: WebResponse): AdminApiError {
  if (status === 401) return { reason: "unauthorized", message: "the admin API asks for another token" };
  if (status === 404) return { reason: "missing", message: messageIn(parseJson(text)) ?? "it is not there" };
  const said = parseJson(text);
  const problems = isRecord(said) ? said["problems"] : undefined;
  return {
    reason: "refused",
    message: messageIn(said) ?? `the admin API answers with status ${status}`,
    ...(areStrings(problems) && { problems }),
  };
}

function messageIn(value: unknown): string | undefined {
  const detail = isRecord(value) ? value["detail"] : undefined;
  return typeof detail === "string" && detail !== "" ? detail.replace(/\.$/, "") : undefined;
}
