/** Calls the admin API of a running balancer and maps failures to exit codes; also `evenkeel plan` and `evenkeel state`. */

import type { FileSource } from "../cli/environment.ts";
import type { AdminTarget } from "../cli/side-commands.ts";
import { describeError, exchangeWeb, type WebRequest } from "../client/http-client.ts";
import { type Schedule, systemSchedule } from "../lib/clock.ts";
import { asArray, asRecord, parseJson } from "../lib/json.ts";
import { type ExitCode, plainText } from "./terminal.ts";

/** Why a call has no usable response. */
export interface Failed {
  readonly kind: "failed";
  readonly exitCode: ExitCode;
  /** One sentence per line. */
  readonly text: string;
}

export interface CallResult {
  readonly kind: "called";
  readonly status: number;
  readonly text: string;
  /** The parsed text; undefined if it is not JSON. */
  readonly value: unknown;
}

export interface Call {
  readonly method?: WebRequest["method"];
  /** Relative to the admin API's address, encoded. */
  readonly path: string;
  /** A map becomes JSON; a text is sent unchanged. */
  readonly body?: object | string;
  /** Extra time that the balancer may take because the call asks it to wait. */
  readonly waitMs?: number;
  /** A status of an expected response in addition to 200–299. */
  readonly alsoExpected?: number;
  /**
   * Whether the value is what the path responds with. Without it any JSON is: at a wrong address, another program's
   * response would be read as an empty list, and a command that watches for problems would find none.
   */
  readonly isExpected?: (value: unknown) => boolean;
  /** The response is a text for people. */
  readonly isText?: boolean;
}

/** Short, so that a read reports a frozen balancer soon. */
const readTimeoutMs = 5_000;

/** Long, because an added upstream is probed first, up to its probe timeout. */
const writeTimeoutMs = 30_000;

export type AdminCall = (call: Call) => Promise<CallResult | Failed>;

/** @param actor actor in the event log */
export function adminCalls(
  target: AdminTarget,
  actor: string,
  schedule: Schedule = systemSchedule,
): AdminCall {
  return async ({
    method = "GET",
    path,
    body,
    waitMs = 0,
    alsoExpected,
    isExpected = isMapOrList,
    isText = false,
  }) => {
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
      if ((status < 200 || status > 299) && status !== alsoExpected) return refused(target, status, value);
      return isText || isExpected(value)
        ? { kind: "called", status, text, value }
        : foreignResponse(target, path);
    } catch (error) {
      return unreachableError(target, error);
    }
  };
}

function isMapOrList(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Counts as unreachable: another program listens there, or a version of the balancer that this command cannot read. */
function foreignResponse({ adminUrl }: AdminTarget, path: string): Failed {
  const what = path.replace(/\?.*$/s, "");
  const text = `Cannot read ${what} of the admin API at ${adminUrl}: this is not its response. Does the URL lead to a balancer?`;
  return { kind: "failed", exitCode: 3, text };
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
  const text = `Cannot reach the admin API at ${adminUrl}: ${describeError(error)}.`;
  return { kind: "failed", exitCode: 3, text };
}

/** @param value a problem document (RFC 9457), or anything else */
export function refused({ adminUrl, adminToken }: AdminTarget, status: number, value: unknown): Failed {
  const action = `Cannot use the admin API at ${adminUrl}`;
  // The API's own text is for programs; on the command line the remedy is a variable.
  if (status === 401) {
    const why =
      adminToken === undefined
        ? "a token is required; set ADMIN_TOKEN"
        : "the token in ADMIN_TOKEN is not accepted";
    return { kind: "failed", exitCode: 2, text: `${action}: ${why}.` };
  }
  const { detail, problems } = asRecord(value);
  const sentences = asArray(problems).filter((problem) => typeof problem === "string");
  const lines = sentences.length > 0 ? sentences : [typeof detail === "string" ? detail : undefined];
  const text = lines
    .map((line) => plainText(line ?? `${action}: it responded with status ${status}.`))
    .join("\n");
  return { kind: "failed", exitCode: 2, text };
}

/** A text to print and the exit code of the process. */
export interface Reply {
  /** Printed to standard error if the exit code is 2 or 3. */
  readonly text: string;
  readonly exitCode: ExitCode;
}

/** `evenkeel plan`. Exit code 0: no changes, 1: changes, 2: invalid. */
export async function printPlan(call: AdminCall, file: FileSource | undefined): Promise<Reply | Failed> {
  const name = file ? `&name=${encodeURIComponent(file.name)}` : "";
  const response = await call({ method: "POST", path: `/api/reload?dry=1${name}`, body: file?.text ?? "" });
  if (response.kind === "failed") return response;
  const { diff, notes } = asRecord(response.value);
  const steps = asArray(diff).map(String);
  const lines = [
    ...(steps.length === 0 ? ["No changes."] : steps),
    ...asArray(notes).map((note) => `note: ${String(note)}`),
  ];
  return { text: lines.join("\n"), exitCode: steps.length === 0 ? 0 : 1 };
}

/** `evenkeel state export` */
export async function printState(call: AdminCall): Promise<Reply | Failed> {
  const response = await call({ path: "/api/state/export", isText: true });
  return response.kind === "failed" ? response : { text: response.text, exitCode: 0 };
}
