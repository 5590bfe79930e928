/** Settings of sticky pools: their defaults, the secrets that make their cookies, and checks. */

import type { StickySettings } from "../filter/sticky-cookie.ts";
import type { PoolConfig } from "./config.ts";
import { defaults } from "./config.ts";
import type { PoolFile } from "./schema.ts";
import type { Path, Problem } from "./problem.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { ageSecondsOf, formatAge } from "./values.ts";
import { readReferencedFile, type ReadText } from "./yaml-file.ts";

/** A shorter secret could be guessed from a cookie. */
export const minSecretBytes = 32;

/** More secrets than that are a mistake: each is a digest for each upstream. */
const maxSecrets = 8;

/** @returns undefined for a pool that is not sticky */
export function stickySettingsOf(pool: string, given: PoolFile["sticky"]): StickySettings | undefined {
  if (given === undefined || given === false) return undefined;
  const { maxAge, ...settings } = given === true ? {} : given;
  return {
    // Each pool has its own: else the pools of one host would replace each other's cookies.
    cookie: `evenkeel_${pool}`,
    ...defaults.pool.sticky,
    ...settings,
    ...(maxAge !== undefined && { maxAgeSeconds: maxAge === 0 ? 0 : ageSecondsOf(maxAge) }),
  };
}

/** The inverse of {@link stickySettingsOf}. */
export function stickyFileOf({ sticky }: PoolConfig): object {
  if (!sticky) return {};
  const { maxAgeSeconds, ...settings } = sticky;
  return { sticky: { ...settings, maxAge: maxAgeSeconds === 0 ? 0 : formatAge(maxAgeSeconds) } };
}

export interface StickySecrets {
  /** The first makes cookies, all are read; empty for one that the balancer makes itself. */
  readonly secrets: readonly string[];
  readonly problems: readonly Problem[];
}

/** Secrets of variable and file, one a line. No problem quotes them. */
export function readStickySecrets(sources: ConfigSources, read: ReadText): StickySecrets {
  const problems: Problem[] = [];
  const [textPath, filePath] = [["stickySecret"], ["stickySecretFile"]];
  const secretsAt = (path: Path, text: string): readonly string[] => {
    const secrets = linesOf(text);
    const why = problemIn(secrets);
    if (why !== undefined) problems.push(sources.problemOf({ path, why }));
    return secrets;
  };
  const given = valueAt(sources.value, textPath);
  const name = valueAt(sources.value, filePath);
  const fromText = typeof given === "string" ? secretsAt(textPath, given) : [];
  if (typeof name !== "string" || name.trim() === "") return { secrets: fromText, problems };
  const found = readReferencedFile(name, read);
  if ("why" in found) {
    problems.push(sources.problemOf({ path: filePath, why: found.why, value: name }));
    return { secrets: fromText, problems };
  }
  return { secrets: [...fromText, ...secretsAt(filePath, found.text)], problems };
}

function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function problemIn(secrets: readonly string[]): string | undefined {
  if (secrets.length === 0) return "expected a secret in a line";
  if (secrets.length > maxSecrets) return `expected at most ${maxSecrets} secrets, one a line`;
  const isShort = secrets.some((secret) => Buffer.byteLength(secret) < minSecretBytes);
  return isShort ? `expected at least ${minSecretBytes} bytes in each line` : undefined;
}

/** Cookies that browsers would refuse, or that two pools would take from each other. */
export function stickyChecks(sources: ConfigSources): readonly Problem[] {
  const owners = new Map<string, Path>();
  return entriesOf(valueAt(sources.value, ["pools"])).flatMap(([pool, settings]): readonly Problem[] => {
    const sticky = valueAt(settings, ["sticky"]);
    if (sticky === undefined || sticky === false) return [];
    const path = ["pools", pool, "sticky"];
    const cookie = valueAt(sticky, ["cookie"]) ?? `evenkeel_${pool}`;
    const owner = owners.get(String(cookie));
    owners.set(String(cookie), owner ?? path);
    const problem = (key: string, why: string) => {
      const value = valueAt(sticky, [key]);
      return [sources.problemOf({ path: [...path, key], why, ...(value !== undefined && { value }) })];
    };
    if (owner) return problem("cookie", `${sources.subjectOf(owner)} already uses this name`);
    return attributesProblem(sticky, String(cookie), problem);
  });
}

function attributesProblem(
  sticky: unknown,
  cookie: string,
  problem: (key: string, why: string) => readonly Problem[],
): readonly Problem[] {
  const [secure, sameSite] = [valueAt(sticky, ["secure"]), valueAt(sticky, ["sameSite"])];
  if (sameSite === "None" && secure === "never")
    return problem("secure", "browsers take cookies with SameSite=None only with Secure; set auto or always");
  if (/^__(Host|Secure)-/i.test(cookie) && secure !== "always")
    return problem("secure", "browsers take a cookie of this name only with Secure; set always");
  if (!/^__Host-/i.test(cookie)) return [];
  if (valueAt(sticky, ["domain"]) !== undefined)
    return problem("domain", "browsers take a cookie of this name only without Domain");
  const path = valueAt(sticky, ["path"]);
  return path === undefined || path === "/"
    ? []
    : problem("path", "browsers take a cookie of this name only with the path /");
}
