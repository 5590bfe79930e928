/** One call of a running balancer's admin API from the command line, with what its failing means for the exit code. */

import type { FileSource } from "../cli/environment.ts";
import type { AdminTarget } from "../cli/side-commands.ts";
import { describeError, exchangeWeb, type WebRequest } from "../client/http-client.ts";
import { type ExitCode, plainText } from "./terminal.ts";
import { type Schedule, systemSchedule } from "../lib/clock.ts";
import { asArray, asRecord, parseJson } from "../lib/json.ts";

/** Why there is no answer to go by. */
export interface Failed {
  readonly kind: "failed";
  readonly exitCode: ExitCode;
  /** One sentence or several, a line each. */
  readonly text: string;
}

export interface CallResult {
  readonly kind: "called";
  readonly status: number;
  readonly text: string;
  /** Of a text that is JSON. */
  readonly value: unknown;
}

export interface Call {
  readonly method?: WebRequest["method"];
  /** Below the admin side's address, encoded. */
  readonly path: string;
  /** A map, or a text as it is. */
  readonly body?: object | string;
  /** How long the balancer may take by itself, because it was told to wait. */
  readonly waitMs?: number;
}

/** Whoever only looks is told soon that a balancer is frozen. */
const readTimeoutMs = 5_000;

/** An upstream that is added is probed first, which takes as long as its probe may. */
const writeTimeoutMs = 30_000;

export type AdminCall = (call: Call) => Promise<CallResult | Failed>;

/** @param actor who the record says it was */
export function adminCalls(
  target: AdminTarget,
  actor: string,
  schedule: Schedule = systemSchedule,
): AdminCall {
  return async ({ method = "GET", path, body, waitMs = 0 }) => {
    try {
      const request = {
        method,
        url: new URL(target.adminUrl + path),
        headers: jsonHeaders(target, actor),
        timeoutMs: (method === "GET" ? readTimeoutMs : writeTimeoutMs) + waitMs,
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      };
      const { status, text } = await exchangeWeb(request, schedule);
      const value = parseJson(text);
      return status >= 200 && status < 300
        ? { kind: "called", status, text, value }
        : refused(target, status, value);
    } catch (error) {
      return unreachableError(target, error);
    }
  };
}

export function jsonHeaders({ adminToken }: AdminTarget, actor: string): Readonly<Record<string, string>> {
  return {
    accept: "application/json",
    "user-agent": "evenkeel-cli",
    "x-evenkeel-actor": actor,
    ...(adminToken === undefined ? {} : { authorization: `Bearer ${adminToken}` }),
  };
}

export function unreachableError({ adminUrl }: AdminTarget, error: unknown): Failed {
  const text = `Cannot ask the balancer: ${describeError(error)}, received ${adminUrl}`;
  return { kind: "failed", exitCode: 3, text };
}

/** @param value a problem (RFC 9457), or anything */
export function refused({ adminUrl, adminToken }: AdminTarget, status: number, value: unknown): Failed {
  // The API's own words are for programs: who types commands has a variable to set.
  if (status === 401) {
    const why =
      adminToken === undefined
        ? "it needs a token, and ADMIN_TOKEN is not set"
        : "it does not know the token in ADMIN_TOKEN";
    return { kind: "failed", exitCode: 2, text: `Cannot ask the balancer: ${why}, received ${adminUrl}` };
  }
  const { detail, problems } = asRecord(value);
  const several = asArray(problems).filter((problem) => typeof problem === "string");
  const lines = several.length > 0 ? several : [typeof detail === "string" ? detail : undefined];
  const text = lines
    .map((line) => plainText(line ?? `Cannot ask the balancer: it answers with status ${status}`))
    .join("\n");
  return { kind: "failed", exitCode: 2, text };
}

// `evenkeel plan` and `evenkeel state`: ask a running balancer, print what it says, and end.

/** What is printed, and how the process ends. */
export interface Reply {
  /** Goes to standard error if the exit code is 2 or 3. */
  readonly text: string;
  readonly exitCode: ExitCode;
}

/** Exit 0 if nothing would change, 1 if something would, 2 if there are problems. */
export async function printPlan(call: AdminCall, file: FileSource | undefined): Promise<Reply | Failed> {
  const name = file ? `&name=${encodeURIComponent(file.name)}` : "";
  const response = await call({ method: "POST", path: `/api/reload?dry=1${name}`, body: file?.text ?? "" });
  if (response.kind === "failed") return response;
  const lines = asArray(asRecord(response.value)["diff"]).map(String);
  return lines.length === 0 ? { text: "No changes.", exitCode: 0 } : { text: lines.join("\n"), exitCode: 1 };
}

export async function printState(call: AdminCall): Promise<Reply | Failed> {
  const response = await call({ path: "/api/state/export" });
  return response.kind === "failed" ? response : { text: response.text, exitCode: 0 };
}
