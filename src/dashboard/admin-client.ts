/** Reads and writes through the admin API, the same way whether the balancer runs in this process or far away. */

import type { Mode } from "../pool/upstream.ts";
import type { Snapshot } from "../snapshot.ts";
import type { Reading, Trouble } from "./picture.ts";
import { describeError, exchangeWeb, type WebAnswer } from "./web-client.ts";

export interface AdminClient {
  /** Never rejects: what goes wrong is the result. */
  read(): Promise<Reading>;
  /** Undefined if the mode is set, else why it is not. */
  setMode(id: string, mode: Mode): Promise<Trouble | undefined>;
}

export interface AdminAddress {
  readonly adminUrl: string;
  readonly adminToken?: string | undefined;
}

/** Two missed seconds are an outage worth saying. */
const readTimeoutMs = 2_000;
const writeTimeoutMs = 5_000;

export function adminClient({ adminUrl, adminToken }: AdminAddress): AdminClient {
  const fields = {
    accept: "application/json",
    "user-agent": "evenkeel-dashboard",
    "x-evenkeel-actor": "dashboard",
    ...(adminToken === undefined ? {} : { authorization: `Bearer ${adminToken}` }),
  };
  const url = (path: string) => new URL(path, adminUrl.endsWith("/") ? adminUrl : `${adminUrl}/`);

  return {
    async read() {
      try {
        const answer = await exchangeWeb({
          method: "GET",
          url: url("api/snapshot"),
          fields,
          timeoutMs: readTimeoutMs,
        });
        if (answer.status !== 200) return { trouble: troubleOf(answer) };
        const value = parse(answer.text);
        return isSnapshot(value) ? { snapshot: value } : { trouble: notUnderstood };
      } catch (error) {
        return { trouble: unreachable(error) };
      }
    },

    async setMode(id, mode) {
      try {
        const answer = await exchangeWeb({
          method: "POST",
          url: url(`api/upstreams/${encodeURIComponent(id)}/mode`),
          fields: { ...fields, "content-type": "application/json" },
          body: JSON.stringify({ mode }),
          timeoutMs: writeTimeoutMs,
        });
        return answer.status === 200 ? undefined : troubleOf(answer);
      } catch (error) {
        return unreachable(error);
      }
    },
  };
}

const notUnderstood: Trouble = {
  reason: "not_understood",
  message: "what answers there is not the admin API of a balancer of this version",
};

function unreachable(error: unknown): Trouble {
  return { reason: "unreachable", message: describeError(error) };
}

function troubleOf({ status, text }: WebAnswer): Trouble {
  if (status === 401) return { reason: "unauthorized", message: "the admin API asks for another token" };
  return {
    reason: "refused",
    message: messageIn(parse(text)) ?? `the admin API answers with status ${status}`,
  };
}

function messageIn(value: unknown): string | undefined {
  if (!isRecord(value) || !isRecord(value["error"])) return undefined;
  const { message } = value["error"];
  return typeof message === "string" && message !== "" ? message.replace(/\.$/, "") : undefined;
}

function parse(text: string): unknown {
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
