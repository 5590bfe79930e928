/** The way from one configuration to another as a list of steps: for people to read before, and for the record after. */

import { isOpen } from "../access/accounts.ts";
import type { Config, PoolConfig, RouteConfig } from "../config/config.ts";
import { describeAccount } from "../config/cross-checks.ts";
import { nameOf } from "../config/problem.ts";
import { flattenConfig, poolSettingsFileOf, settingsFileOf } from "../config/to-file.ts";
import { identityOf } from "../registry/pool-registry.ts";
import { hashString } from "../lib/hash.ts";
import { isLoopback } from "../net/address.ts";
import { type UpstreamSpec } from "../pool/upstream.ts";
import { originOf } from "../net/address.ts";

export interface Step {
  readonly action: "add" | "remove" | "change";
  readonly subject: "setting" | "pool" | "upstream" | "routes";
  /** Present for pools and upstreams. */
  readonly pool?: string;
  /** Id; present for upstreams. */
  readonly upstream?: string;
  /** What changes of it: "policy", "probe.path", "weight"; present for changes. */
  readonly key?: string;
  readonly from?: string;
  readonly to?: string;
  /** Takes effect only with a restart. */
  readonly needsRestart?: true;
}

/** Steps that lead from one to the other; none if they mean the same. */
export function planSteps(before: Config, after: Config): readonly Step[] {
  return [
    ...settingSteps(before, after),
    ...poolSteps(before, after),
    ...upstreamSteps(before, after),
    ...routeSteps(before, after),
  ];
}

/** What the running listeners, the engine and the store were made with. */
const fixedKeys = [
  "listen",
  "engine",
  "workers",
  "admin",
  "state",
  "clientTimeouts",
  "accessLog",
  "tracing",
] as const;

/** A configuration as it can be taken without a restart. */
export function reloadableConfig(running: Config, next: Config): Config {
  const { accessLog: _log, tracing: _tracing, ...rest } = next;
  const { listen, engine, workers, state, clientTimeouts, accessLog, tracing } = running;
  const fixed = {
    listen,
    engine,
    workers,
    admin: reloadableAdmin(running.admin, next.admin),
    state,
    clientTimeouts,
  };
  return { ...rest, ...fixed, ...(accessLog && { accessLog }), ...(tracing && { tracing }) };
}

function settingSteps(before: Config, after: Config): readonly Step[] {
  const steps = differences(settingTexts(before), settingTexts(after)).map(({ key, ...values }): Step => {
    const isFixed = fixedKeys.some((fixed) => key === fixed || key.startsWith(`${fixed}.`));
    return { action: "change", subject: "setting", key, ...values, ...(isFixed && { needsRestart: true }) };
  });
  return [...steps, ...accountChanges(before.admin, after.admin)];
}

function settingTexts(config: Config): Settings {
  const { tls } = config.listen;
  return {
    ...flatTexts(settingsFileOf(config)),
    ...(tls && { "listen.tls.cert": pemText(tls.certPath, tls.cert, "none") }),
  };
}

/** The file, and what tells its present content from another one. */
function pemText(path: string | undefined, text = "", otherwise: string): string {
  return path === undefined ? otherwise : `${path} #${hashString(text).toString(16)}`;
}

function poolSteps(before: Config, after: Config): readonly Step[] {
  const olds = new Map(before.pools.map((pool) => [pool.name, pool]));
  const news = new Set(after.pools.map(({ name }) => name));
  const removed = before.pools.filter(({ name }) => !news.has(name));
  return [
    ...after.pools.flatMap((pool): readonly Step[] => {
      const old = olds.get(pool.name);
      if (!old) return [{ action: "add", subject: "pool", pool: pool.name, to: pool.policy }];
      const changed = [
        ...differences(flatTexts(poolSettingsFileOf(old)), flatTexts(poolSettingsFileOf(pool))),
        ...orderDifference(old, pool),
      ];
      return changed.map((difference) => ({
        ...{ action: "change", subject: "pool", pool: pool.name },
        ...difference,
      }));
    }),
    ...removed.map(({ name }): Step => ({ action: "remove", subject: "pool", pool: name })),
  ];
}

/** Of those that stay: some policies look at who comes first. */
function orderDifference(before: PoolConfig, after: PoolConfig): readonly Difference[] {
  const [olds, news] = [new Set(before.upstreams.map(identityOf)), new Set(after.upstreams.map(identityOf))];
  const listOf = ({ upstreams }: PoolConfig, others: ReadonlySet<string>) =>
    upstreams
      .filter((spec) => others.has(identityOf(spec)))
      .map(({ id }) => id)
      .join(", ");
  const [from, to] = [listOf(before, news), listOf(after, olds)];
  return from === to ? [] : [{ key: "order", from, to }];
}

interface UpstreamPlacement {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/** By identity: another address under an old name is another upstream. */
function upstreamPlacements({ pools }: Config): ReadonlyMap<string, UpstreamPlacement> {
  const placements = pools.flatMap(({ name, upstreams }) => upstreams.map((spec) => ({ pool: name, spec })));
  return new Map(placements.map((placement) => [identityOf(placement.spec), placement]));
}

function upstreamSteps(before: Config, after: Config): readonly Step[] {
  const [olds, news] = [upstreamPlacements(before), upstreamPlacements(after)];
  const named = ({ pool, spec }: UpstreamPlacement) =>
    ({ subject: "upstream", pool, upstream: spec.id }) as const;
  return [
    ...[...news].flatMap(([identity, placement]): readonly Step[] => {
      const old = olds.get(identity);
      if (!old) return [{ action: "add", ...named(placement), to: describe(placement.spec) }];
      return differences(upstreamSettings(old), upstreamSettings(placement)).map((difference) => ({
        ...{ action: "change", ...named(placement) },
        ...difference,
      }));
    }),
    ...[...olds].flatMap(([identity, placement]): readonly Step[] =>
      news.has(identity) ? [] : [{ action: "remove", ...named(placement), from: describe(placement.spec) }],
    ),
  ];
}

function upstreamSettings({ pool, spec }: UpstreamPlacement): Settings {
  const { tls } = spec.address;
  return {
    pool,
    weight: String(spec.weight),
    backup: String(spec.backup),
    "tls.ca": pemText(tls?.caPath, tls?.ca, "the system's"),
    "tls.serverName": tls?.serverName ?? "the URL's host",
    "tls.verify": String(tls?.verify ?? true),
  };
}

function describe({ address, weight, backup }: UpstreamSpec): string {
  return `${originOf(address)} weight ${weight}${backup ? " backup" : ""}`;
}

/** Their order decides, so they change as a whole. */
function routeSteps(before: Config, after: Config): readonly Step[] {
  const [from, to] = [describeRoutes(before.routes), describeRoutes(after.routes)];
  return from === to ? [] : [{ action: "change", subject: "routes", from, to }];
}

function describeRoutes(routes: readonly RouteConfig[]): string {
  return routes.map(({ host = "", path = "", pool }) => `${host + path || "*"} → ${pool}`).join("; ");
}

type Settings = Readonly<Record<string, string>>;

interface Difference {
  readonly key: string;
  readonly from: string;
  readonly to: string;
}

/** What is not said on one side is "none" there. */
function differences(before: Settings, after: Settings): readonly Difference[] {
  const keys = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...keys].flatMap((key) => {
    const [from, to] = [before[key] ?? none, after[key] ?? none];
    return from === to ? [] : [{ key, from, to }];
  });
}

const none = "none";

/** By the names that a configuration file has for them. */
function flatTexts(file: object): Settings {
  const texts = flattenConfig(file).map(({ path, value }) => [nameOf(path), textOf(value)] as const);
  return Object.fromEntries(texts);
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(", ") || none : String(value);
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

// How the admin side's accounts change at a reload: what of it counts at once, and what the difference is called.

type Admin = Config["admin"];

/** The listener stays where it is, with its token; users and programs are those of the next one. */
export function reloadableAdmin(running: Admin, next: Admin): Admin {
  const { users: _users, tokens: _tokens, ...listener } = running;
  const { users, tokens } = next;
  const admin = { ...listener, ...(users && { users }), ...(tokens && { tokens }) };
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
    const [from, to] = [accountNames(olds), accountNames(news)];
    steps.push({
      ...changed,
      key: `admin.${key}`,
      ...(from === to ? { to: "with another secret" } : { from, to }),
    });
  }
  return steps;
}

function accountNames(accounts: readonly Parameters<typeof describeAccount>[0][]): string {
  return accounts.map(describeAccount).join(", ") || "none";
}
