/** Client of the admin API's routes about alerts, with the viewer's credentials. */

import type { AlertsSnapshot, AlertTestResult } from "../../alerts/alerts-snapshot.ts";
import type { WebRequest } from "../../client/http-client.ts";
import { asRecord, isRecord, parseJson } from "../../lib/json.ts";
import {
  type AdminAddress,
  type AdminResult,
  errorFrom,
  headersWith,
  notUnderstood,
  unreachableResult,
} from "../admin-client.ts";

/** Its promises never reject: errors are results. */
export interface AlertClient {
  read(): Promise<AdminResult<AlertsSnapshot>>;
  test(receiver: string): Promise<AdminResult<AlertTestResult>>;
  silence(fields: Readonly<Record<string, string>>): Promise<AdminResult<true>>;
  endSilence(id: string): Promise<AdminResult<true>>;
}

/** A page waits for it; a test takes as long as the receiver may. */
const readMs = 5_000;
const testMs = 15_000;

export function alertClient({ endpoints, bearer }: AdminAddress): AlertClient {
  async function call<Value>(
    request: Pick<WebRequest, "method"> & {
      readonly path: string;
      readonly body?: object;
      readonly timeoutMs?: number;
    },
    read: (value: unknown) => Value | undefined,
  ): Promise<AdminResult<Value>> {
    const { method, path, body, timeoutMs = readMs } = request;
    try {
      const headers = { ...headersWith(bearer()), ...(body && { "content-type": "application/json" }) };
      const sent = { method, path, headers, timeoutMs, ...(body && { body: JSON.stringify(body) }) };
      const response = await endpoints.exchange(sent);
      if (response.status !== 200 && response.status !== 201) return { error: errorFrom(response) };
      const value = read(parseJson(response.text));
      return value === undefined ? { error: notUnderstood } : { value };
    } catch (error) {
      return { error: unreachableResult(error) };
    }
  }

  const done = (value: unknown) => (isRecord(value) ? (true as const) : undefined);
  return {
    read: () => call({ method: "GET", path: "api/alerts" }, alertsIn),
    test: (receiver) =>
      call({ method: "POST", path: "api/alerts/test", body: { receiver }, timeoutMs: testMs }, testIn),
    silence: (body) => call({ method: "POST", path: "api/silences", body }, done),
    endSilence: (id) => call({ method: "DELETE", path: `api/silences/${encodeURIComponent(id)}` }, done),
  };
}

/** Undefined for an unexpected shape: the balancer may have another version. */
function alertsIn(value: unknown): AlertsSnapshot | undefined {
  const { receivers, sent, silences } = asRecord(value);
  const areRecords = [receivers, sent, silences].every((list) => Array.isArray(list) && list.every(isRecord));
  const areWhole =
    areRecords &&
    (receivers as readonly Record<string, unknown>[]).every(
      ({ name, address, waiting }) =>
        typeof name === "string" && typeof address === "string" && typeof waiting === "number",
    ) &&
    (sent as readonly Record<string, unknown>[]).every(
      ({ at, problem }) => typeof at === "number" && typeof asRecord(problem)["title"] === "string",
    );
  return areWhole ? (value as AlertsSnapshot) : undefined;
}

function testIn(value: unknown): AlertTestResult | undefined {
  const { kind, answer, tookMs } = asRecord(value);
  const isValid = typeof kind === "string" && typeof answer === "string" && typeof tookMs === "number";
  return isValid ? (value as AlertTestResult) : undefined;
}
