/** From everything an operator said to the effective configuration, or to every problem in it at once. */

import { readCertificates } from "./certificates.ts";
import { type Config, defaults } from "./config.ts";
import { crossCheck, type ListenerKey } from "./cross-checks.ts";
import { applyDefaults, type ResolvedConfig } from "./defaults.ts";
import type { FileText, ReadText } from "./yaml-file.ts";
import { configError, type ConfigError, type Path, type Problem } from "./problem.ts";
import { schemaErrors } from "./schema-kit.ts";
import { type ConfigFile, fileSchema } from "./schema.ts";
import { type ConfigSources, mergeSources, type SourceValue, valueAt } from "./sources.ts";
import { expandUpstreams } from "./upstreams.ts";
import { originOf } from "../net/address.ts";
import { describeExpiry } from "../tls/expiry.ts";
import { certificatesOf } from "./certificates.ts";

export interface LoadConfigOptions {
  /** From flags and variables. A path that begins with `pools` and "*" means the first pool. */
  readonly values: readonly SourceValue[];
  /** What the file says, or why it cannot be read; undefined if there is none. */
  readonly file?: FileText | readonly Problem[] | undefined;
  /** Reads the files that the configuration names. */
  readonly read: ReadText;
  /** Where state is kept if nobody says. */
  readonly defaultState: string;
  /** What it is for: `up` also opens the dashboard, and demo servers where nobody names upstreams. */
  readonly purpose: "up" | "proxy" | "check";
}

export interface LoadedConfig extends ResolvedConfig {
  readonly kind: "settled";
  /** Whether demo servers have to stand behind the upstreams. */
  readonly isDemo: boolean;
  /** Where the value at a path of the file's shape came from: "flag --port", "default" … */
  readonly sourceOf: (path: Path) => string;
}

export function loadConfig(setting: LoadConfigOptions): LoadedConfig | ConfigError {
  const { defaultState, purpose } = setting;
  const unreadable = isProblems(setting.file) ? setting.file : [];
  const file = isProblems(setting.file) ? undefined : setting.file;
  const poolNames = Object.keys((valueAt(file?.value, ["pools"]) ?? {}) as object);
  const firstPool = poolNames[0] ?? defaults.pool.name;
  const values = setting.values.map((given) => ({ ...given, path: inFirstPool(given.path, firstPool) }));

  const hasUpstreams = file?.has(["pools"]) || values.some(({ path }) => path.at(-1) === "upstreams");
  const isDemo = purpose === "up" && !hasUpstreams;
  const base = file?.has(["pools"]) ? file.value : withDefaultPool(file?.value, isDemo);
  const sources = mergeSources({ values, file, base, expand: expandUpstreams });

  const misfits = schemaErrors(fileSchema, sources.value).map(sources.problemOf);
  // Without the file half of the picture is missing, and what does not fit together in it may well do.
  const across = unreadable.length > 0 ? [] : crossCheck(sources, listenersOf(purpose, sources));
  const named = readCertificates(sources, setting.read);
  const problems = [...unreadable, ...misfits, ...across, ...named.problems];
  if (problems.length > 0) return configError(problems.toSorted(byPlace));
  const resolved = applyDefaults(sources.value as ConfigFile, { defaultState, texts: named.texts });
  return { kind: "settled", ...resolved, isDemo, sourceOf: sources.sourceOf };
}

/** Flags and variables first, then the file from top to bottom. */
function byPlace({ place: left }: Problem, { place: right }: Problem): number {
  if (!left || !right) return Number(left !== undefined) - Number(right !== undefined);
  return left.line - right.line || left.column - right.column;
}

/** A check knows no command: it counts the dashboard in if somebody spoke of it. */
function listenersOf(
  purpose: LoadConfigOptions["purpose"],
  { sourceOf }: ConfigSources,
): readonly ListenerKey[] {
  const isNamed = ["host", "port"].some((key) => sourceOf(["dashboard", key]) !== "default");
  const hasDashboard = purpose === "up" || (purpose === "check" && isNamed);
  return hasDashboard ? ["listen", "admin", "dashboard"] : ["listen", "admin"];
}

function isProblems(file: FileText | readonly Problem[] | undefined): file is readonly Problem[] {
  return Array.isArray(file);
}

function inFirstPool([top = "", ...inside]: Path, firstPool: string): Path {
  return top === "pools" && inside[0] === "*" ? [top, firstPool, ...inside.slice(1)] : [top, ...inside];
}

function withDefaultPool(file: unknown, isDemo: boolean): unknown {
  const pool = {
    upstreams: defaults.pool.upstreams,
    ...(isDemo ? { probe: { path: defaults.demo.probePath } } : {}),
  };
  return { ...(file as object | undefined), pools: { [defaults.pool.name]: pool } };
}

// What a valid configuration does that its operator should hear of: at the start, at a reload and in a check.

/** Sentences without full stop. @param now epoch milliseconds */
export function warningsIn(config: Config, now: number): readonly string[] {
  return [...expiryWarnings(config, now), ...trustWarnings(config)];
}

function expiryWarnings(config: Config, now: number): readonly string[] {
  return certificatesOf(config).flatMap((certificate) => {
    const words = describeExpiry(certificate, now);
    const { listener, path } = certificate;
    return words === undefined ? [] : [`${listener}.tls.cert: the certificate from ${path} ${words}`];
  });
}

function trustWarnings({ pools }: Config): readonly string[] {
  return pools.flatMap(({ upstreams }) =>
    upstreams
      .filter(({ address }) => address.tls?.verify === false)
      .map(
        ({ id, address }) =>
          `upstream ${id}: the certificate of ${originOf(address)} is not verified, whoever answers there is believed`,
      ),
  );
}
