/** What does not fit together among the accounts of the admin side, and how they are called. */

import type { Role } from "../access/role.ts";
import { isLoopback } from "../net/address.ts";
import { entriesOf, type ConfigSources, valueAt } from "./sources.ts";
import type { Path, Problem } from "./problem.ts";

/** Whom the record already names so: an account of that name could pass its acts off as theirs. */
const ownNames: ReadonlySet<string> = new Set([
  "anybody",
  "api",
  "balancer",
  "configuration",
  "dashboard",
  "nobody",
  "prober",
  "sighup",
  "watch",
]);

/** The admin side acts on the balancer: beyond this machine it has to know its callers. */
export function openAdmin(sources: ConfigSources): readonly Problem[] {
  const host = valueAt(sources.value, ["admin", "host"]);
  if (typeof host !== "string" || isLoopback(host)) return [];
  const has = (key: string) => entriesOf(valueAt(sources.value, ["admin", key])).length > 0;
  if (valueAt(sources.value, ["admin", "token"]) !== undefined || has("users") || has("tokens")) return [];
  const why =
    "beyond this machine the admin side needs a token (ADMIN_TOKEN, or admin.token in the file) or admin.users";
  return [sources.problemOf({ path: ["admin", "host"], why, value: host })];
}

/** It acts for whoever reaches it, unless people log in; a token of its own tells nobody apart. */
export function openDashboard(sources: ConfigSources, isOpened: boolean): readonly Problem[] {
  const host = valueAt(sources.value, ["dashboard", "host"]);
  if (!isOpened || typeof host !== "string" || isLoopback(host)) return [];
  if (entriesOf(valueAt(sources.value, ["admin", "users"])).length > 0) return [];
  const why = "beyond this machine the dashboard needs admin.users, who log in";
  return [sources.problemOf({ path: ["dashboard", "host"], why, value: host })];
}

/** People and programs share one set of names, since the record has only that; case does not tell them apart. */
export function repeatedAccounts(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return ["users", "tokens"].flatMap((list) =>
    entriesOf(valueAt(sources.value, ["admin", list])).flatMap(([index, account]) => {
      const path = ["admin", list, index, "name"];
      const name = valueAt(account, ["name"]);
      if (typeof name !== "string") return [];
      const owner = owners.get(name.toLowerCase());
      if (!owner) owners.set(name.toLowerCase(), path);
      const isOwn = ownNames.has(name.toLowerCase());
      if (!owner && !isOwn) return [];
      const why = isOwn
        ? "the balancer calls itself so in its record"
        : `${sources.subjectOf(owner ?? path)} is the same name`;
      return [sources.problemOf({ path, why, value: name })];
    }),
  );
}

/** Names and roles; the rest is for nobody's eyes. */
export function describeAccount({ name, role }: { readonly name: string; readonly role: Role }): string {
  return `${name} (${role})`;
}
