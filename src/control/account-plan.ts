/** How the admin side's accounts change at a reload: what of it counts at once, and what the difference is called. */

import { isOpen } from "../access/accounts.ts";
import { describeAccount } from "../config/accounts.ts";
import type { Config } from "../config/config.ts";
import { isLoopback } from "../net/address.ts";
import type { Step } from "./plan.ts";

type Admin = Config["admin"];

/** The listener stays where it is, with its token; users and programs are those of the next one. */
export function adminOf(running: Admin, next: Admin): Admin {
  const { users: _users, tokens: _tokens, ...place } = running;
  const { users, tokens } = next;
  const admin = { ...place, ...(users && { users }), ...(tokens && { tokens }) };
  // The next one may be open because it moves to loopback; the listener is not there yet.
  return isOpen(admin) && !isLoopback(running.hostname) ? running : admin;
}

/** Names and roles only: secrets are for nobody's eyes. */
export function accountChanges(before: Admin, after: Admin): readonly Step[] {
  const changed = { action: "change", subject: "setting" } as const;
  const steps: Step[] = [];
  if (before.token !== after.token) steps.push({ ...changed, key: "admin.token", needsRestart: true });
  for (const key of ["users", "tokens"] as const) {
    const [olds, news] = [before[key] ?? [], after[key] ?? []];
    if (JSON.stringify(olds) === JSON.stringify(news)) continue;
    const [from, to] = [namesIn(olds), namesIn(news)];
    steps.push({
      ...changed,
      key: `admin.${key}`,
      ...(from === to ? { to: "with another secret" } : { from, to }),
    });
  }
  return steps;
}

function namesIn(accounts: readonly Parameters<typeof describeAccount>[0][]): string {
  return accounts.map(describeAccount).join(", ") || "none";
}
