/** `evenkeel plan` and `evenkeel state`: ask a running balancer, print what it says, and end. */

import type { Ask } from "../cli/companions.ts";
import type { FileSource } from "../cli/surroundings.ts";
import { describeError, exchangeWeb, type WebAnswer, type WebRequest } from "../dashboard/web-client.ts";

/** What is printed, and how the process ends. */
export interface Reply {
  /** Goes to standard error if the exit code is 2. */
  readonly text: string;
  readonly exitCode: 0 | 1 | 2;
}

/** First verdicts are no part of it, so this is a matter of milliseconds. */
const timeoutMs = 10_000;

/** Exit 0 if nothing would change, 1 if something would, 2 if there are problems. */
export async function askPlan(ask: Ask, file: FileSource | undefined): Promise<Reply> {
  const name = file ? `&name=${encodeURIComponent(file.name)}` : "";
  const answer = await askFor(ask, "POST", { path: `/api/reload?dry=1${name}`, body: file?.text ?? "" });
  if ("exitCode" in answer) return answer;
  const lines = stringsIn(mapOf(answer.text)["diff"]);
  return lines.length === 0 ? { text: "No changes.", exitCode: 0 } : { text: lines.join("\n"), exitCode: 1 };
}

export async function askState(ask: Ask): Promise<Reply> {
  const answer = await askFor(ask, "GET", { path: "/api/state/export" });
  return "exitCode" in answer ? answer : { text: answer.text, exitCode: 0 };
}

export async function askFor(
  { adminUrl, adminToken }: Ask,
  method: WebRequest["method"],
  { path, body }: { readonly path: string; readonly body?: string },
): Promise<WebAnswer | Reply> {
  const fields = {
    "user-agent": "evenkeel-cli",
    "x-evenkeel-actor": "cli",
    ...(adminToken === undefined ? {} : { authorization: `Bearer ${adminToken}` }),
  };
  try {
    const url = new URL(adminUrl + path);
    const answer = await exchangeWeb({
      method,
      url,
      fields,
      timeoutMs,
      ...(body === undefined ? {} : { body }),
    });
    return answer.status === 200 ? answer : { text: problemsIn(answer), exitCode: 2 };
  } catch (error) {
    return { text: `Cannot ask the balancer: ${describeError(error)}, received ${adminUrl}`, exitCode: 2 };
  }
}

function problemsIn({ status, text }: WebAnswer): string {
  const { detail, problems } = mapOf(text);
  const several = stringsIn(problems);
  if (several.length > 0) return several.join("\n");
  return typeof detail === "string" ? detail : `Cannot ask the balancer: it answers with status ${status}`;
}

function mapOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function stringsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
