/** Reads and writes through the admin API, the same way whether the balancer runs in this process or far away. */

import type { Setting } from "../config/effective.ts";
import type { UpstreamDetail } from "../detail.ts";
import type { HistoryAnswer, HistoryQuery, SeriesHistory } from "../history/history.ts";
import type { Mode } from "../pool/upstream.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Reading, Trouble } from "./picture.ts";
import { describeError, exchangeWeb, type WebAnswer } from "./web-client.ts";

/** What was asked for, or why it is not to be had. */
export type Told<Value> = { readonly value: Value } | { readonly trouble: Trouble };

/** Nothing here rejects: what goes wrong is the result. */
export interface AdminClient {
  read(): Promise<Reading>;
  upstream(id: string): Promise<Told<UpstreamDetail>>;
  /** @param urgency `patient` for what somebody asked for once and has no other way to see */
  history(query: HistoryQuery, urgency?: "patient"): Promise<Told<HistoryAnswer>>;
  settings(): Promise<Told<readonly Setting[]>>;
  /** Undefined if the mode is set, else why it is not. */
  setMode(id: string, mode: Mode): Promise<Trouble | undefined>;
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
  const fieldsNow = () => fieldsWith(bearer());
  const url = (path: string) => new URL(path, adminUrl.endsWith("/") ? adminUrl : `${adminUrl}/`);

  async function tell<Value>(
    path: string,
    read: (value: unknown) => Value | undefined,
    timeoutMs = readTimeoutMs,
  ): Promise<Told<Value>> {
    try {
      const answer = await exchangeWeb({ method: "GET", url: url(path), fields: fieldsNow(), timeoutMs });
      if (answer.status !== 200) return { trouble: troubleOf(answer) };
      const value = read(parse(answer.text));
      return value === undefined ? { trouble: notUnderstood } : { value };
    } catch (error) {
      return { trouble: unreachable(error) };
    }
  }

  return {
    async read() {
      const told = await tell("api/snapshot", (value) => (isSnapshot(value) ? value : undefined));
      return "value" in told ? { snapshot: told.value } : told;
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

    async setMode(id, mode) {
      try {
        const answer = await exchangeWeb({
          method: "POST",
          url: url(`api/upstreams/${encodeURIComponent(id)}/mode`),
          fields: { ...fieldsNow(), "content-type": "application/json" },
          body: JSON.stringify({ mode }),
          timeoutMs: patientTimeoutMs,
        });
        return answer.status === 200 ? undefined : troubleOf(answer);
      } catch (error) {
        return unreachable(error);
      }
    },
  };
}

/** What every request to the admin API carries. */
export function fieldsWith(token: string | undefined): Readonly<Record<string, string>> {
  return {
    accept: "application/json",
    "user-agent": "evenkeel-dashboard",
    "x-evenkeel-actor": "dashboard",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

export const notUnderstood: Trouble = {
  reason: "not_understood",
  message: "what answers there is not the admin API of a balancer of this version",
};

export function unreachable(error: unknown): Trouble {
  return { reason: "unreachable", message: describeError(error) };
}

export function troubleOf({ status, text }: WebAnswer): Trouble {
  if (status === 401) return { reason: "unauthorized", message: "the admin API asks for another token" };
  if (status === 404) return { reason: "missing", message: messageIn(parse(text)) ?? "it is not there" };
  return {
    reason: "refused",
    message: messageIn(parse(text)) ?? `the admin API answers with status ${status}`,
  };
}

function messageIn(value: unknown): string | undefined {
  const detail = isRecord(value) ? value["detail"] : undefined;
  return typeof detail === "string" && detail !== "" ? detail.replace(/\.$/, "") : undefined;
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** As much of the shape as keeps a foreign or older program's answer from being taken for a snapshot. */
function isSnapshot(value: unknown): value is Snapshot {
  return (
    isRecord(value) &&
    typeof value["at"] === "number" &&
    typeof value["phase"] === "string" &&
    Array.isArray(value["pools"]) &&
    value["pools"].every(
      (pool: unknown) =>
        isRecord(pool) &&
        isRecord(pool["traffic"]) &&
        isRecord(pool["refusals"]) &&
        Array.isArray(pool["upstreams"]) &&
        pool["upstreams"].every(
          (upstream: unknown) =>
            isRecord(upstream) && typeof upstream["id"] === "string" && isRecord(upstream["traffic"]),
        ),
    )
  );
}

function isDetail(value: unknown): value is UpstreamDetail {
  return (
    isRecord(value) &&
    typeof value["id"] === "string" &&
    isRecord(value["traffic"]) &&
    isRecord(value["errorsByReason"]) &&
    isRecord(value["codes"]) &&
    Array.isArray(value["probes"]) &&
    Array.isArray(value["latencies"])
  );
}

function isHistory(value: unknown): value is HistoryAnswer {
  return isRecord(value) && Array.isArray(value["series"]) && value["series"].every(isSeries);
}

function isSeries(value: unknown): value is SeriesHistory {
  if (!isRecord(value) || typeof value["pool"] !== "string" || !isRecord(value["columns"])) return false;
  return Object.values(value["columns"]).every(Array.isArray);
}

function settingsIn(value: unknown): readonly Setting[] | undefined {
  const list = isRecord(value) ? value["settings"] : undefined;
  if (!Array.isArray(list)) return undefined;
  return list.every((entry) => isRecord(entry) && typeof entry["name"] === "string") ? list : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
