/** `evenkeel upgrade`: asks a running balancer to hand over to a new process. */

import type { Verb } from "../cli/verbs.ts";
import { asRecord } from "../lib/json.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { type ExitCode, plainText, type Terminal } from "./terminal.ts";

/** The limits of the balancer for the new process, together. */
const waitMs = 40_000;

/**
 * Through the admin API, as all verbs: it knows who may do so, tells how it ended, and needs no process id.
 * Exit code 0: a new process serves, 1: the old one goes on.
 */
export async function upgradeBalancer(
  { reason, asJson }: Extract<Verb, { verb: "upgrade" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  const body = reason === "" ? {} : { reason };
  const response = await call({ method: "POST", path: "/api/upgrade", body, waitMs });
  if (response.kind === "failed") return response;
  const { upgraded, pid, version, why } = asRecord(response.value);
  const isDone = upgraded === true;
  if (asJson) terminal.write(`${response.text}\n`);
  else if (isDone) {
    const sentence = `Upgraded: process ${pid} (version ${version}) serves; the old one finishes its requests.`;
    terminal.write(`${plainText(sentence)}\n`);
  } else {
    terminal.warn(plainText(`Cannot upgrade: process ${pid} (version ${version}) goes on. The reason:`));
    for (const line of String(why).split("\n")) terminal.warn(`  ${plainText(line)}`);
  }
  return isDone ? 0 : 1;
}
