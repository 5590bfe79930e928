/** `evenkeel plan` and `evenkeel state`: ask a running balancer, print what it says, and end. */

import type { FileSource } from "../cli/environment.ts";
import { asArray, asRecord } from "../lib/json.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import type { ExitCode } from "./terminal.ts";

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
