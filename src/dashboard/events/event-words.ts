/** Events in words: what kind of thing happened, to what, and how much it should draw the eye. */

import type { BalancerEvent, EventKind } from "../../state/event.ts";
import type { Tone } from "../../wording/verdict.ts";

export const kindNames: Readonly<Record<EventKind, string>> = {
  probe: "Probe",
  outlier: "Outlier",
  panic: "Panic",
  mode: "Mode",
  weight: "Weight",
  backup: "Backup",
  member: "Member",
  drain: "Drain",
  rehearsal: "Rehearsal",
  reload: "Reload",
  phase: "Balancer",
  worker: "Worker",
  load: "Load shedding",
  certificate: "Certificate",
  login: "Login",
};

/** One that this version does not know is called by its own word. */
export function kindName(kind: string): string {
  return Object.hasOwn(kindNames, kind) ? kindNames[kind as EventKind] : kind;
}

const bad: ReadonlySet<string> = new Set(["failing", "ejected", "panic", "refused", "gone", "expired"]);
const warn: ReadonlySet<string> = new Set(["probation", "late", "expiring", "early"]);
const good: ReadonlySet<string> = new Set(["passing", "up", "calm", "drained", "ready", "valid"]);

export function eventTone({ to }: BalancerEvent): Tone | "calm" {
  return bad.has(to) ? "bad" : warn.has(to) ? "warn" : good.has(to) ? "good" : "calm";
}

const logins: Readonly<Record<string, string>> = {
  accepted: "logged in",
  refused: "login refused",
  ended: "logged out",
};

/** "passing → failing" */
export function changeOf({ kind, from, to }: BalancerEvent): string {
  if (kind === "login") return logins[to] ?? to;
  return from === "" ? to : `${from} → ${to}`;
}

/** These say no more than who did it. */
const silent: ReadonlySet<string> = new Set([
  "operator",
  "configuration",
  "lifecycle",
  "password_right",
  "logout",
]);

/** Why, a line each. */
export function eventReason({ reason, detail }: BalancerEvent): readonly string[] {
  const lines = detail.split("\n").filter((line) => line !== "");
  return silent.has(reason)
    ? lines
    : [[reason, lines[0] ?? ""].filter(Boolean).join(": "), ...lines.slice(1)];
}
