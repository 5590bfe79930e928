/** One step of a plan, and the differences of settings that it tells, as texts by their names in the configuration file. */

import { nameOf } from "../config/problem.ts";
import { flattenConfig } from "../config/to-file.ts";

export interface Step {
  readonly action: "add" | "remove" | "change";
  readonly subject: "setting" | "pool" | "upstream" | "routes";
  /** Present for pools and upstreams. */
  readonly pool?: string;
  /** Id; present for upstreams. */
  readonly upstream?: string;
  /** The setting that changes: "policy", "probe.path", "weight"; present for changes. */
  readonly key?: string;
  readonly from?: string;
  readonly to?: string;
  /** Takes effect only after a restart. */
  readonly needsRestart?: true;
}

const symbols = { add: "+", remove: "-", change: "~" } as const;

/** One line of a diff: "+ upstream main/api-4: http://10.0.0.4:80 weight 1", "~ pool main: policy first → p2c". */
export function describeStep({ action, subject, pool, upstream, key, from, to, needsRestart }: Step): string {
  const name = [subject, [pool, upstream].filter((part) => part !== undefined).join("/")]
    .filter(Boolean)
    .join(" ");
  const values = [from, to].filter((value) => value !== undefined).join(" → ");
  const what = [key, values].filter(Boolean).join(" ");
  return `${symbols[action]} ${name}${what ? `: ${what}` : ""}${needsRestart ? " (needs a restart)" : ""}`;
}

export type Settings = Readonly<Record<string, string>>;

export interface Difference {
  readonly key: string;
  readonly from: string;
  readonly to: string;
}

/** A setting that is missing on one side is "none" there. */
export function differences(before: Settings, after: Settings): readonly Difference[] {
  const keys = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...keys].flatMap((key) => {
    const [from, to] = [before[key] ?? none, after[key] ?? none];
    return from === to ? [] : [{ key, from, to }];
  });
}

/** The text of a setting that is not there. */
export const none = "none";

/** Keyed by the names of the configuration file. */
export function flatTexts(file: object): Settings {
  const texts = flattenConfig(file).map(({ path, value }) => [nameOf(path), textOf(value)] as const);
  return Object.fromEntries(texts);
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(", ") || none;
  if (typeof value !== "object" || value === null) return String(value);
  const inside = (one: unknown) => (Array.isArray(one) ? `[${textOf(one)}]` : textOf(one));
  const pairs = Object.entries(value).map(([key, one]) => `${key}: ${inside(one)}`);
  return `{ ${pairs.join(", ")} }`;
}
