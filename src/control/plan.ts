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
export function planOf(before: Config, after: Config): readonly Step[] {
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
export function liveOf(running: Config, next: Config): Config {
  const { accessLog: _log, tracing: _tracing, ...rest } = next;
  const { listen, engine, workers, state, clientTimeouts, accessLog, tracing } = running;
  const fixed = { listen, engine, workers, admin: adminOf(running.admin, next.admin), state, clientTimeouts };
  return { ...rest, ...fixed, ...(accessLog && { accessLog }), ...(tracing && { tracing }) };
}

function settingSteps(before: Config, after: Config): readonly Step[] {
  const steps = differences(settingsOf(before), settingsOf(after)).map(({ key, ...values }): Step => {
    const isFixed = fixedKeys.some((fixed) => key === fixed || key.startsWith(`${fixed}.`));
    return { action: "change", subject: "setting", key, ...values, ...(isFixed && { needsRestart: true }) };
  });
  return [...steps, ...accountChanges(before.admin, after.admin)];
}

function settingsOf(config: Config): Settings {
  const { tls } = config.listen;
  return {
    ...textsOf(settingsFileOf(config)),
    ...(tls && { "listen.tls.cert": pemOf(tls.certPath, tls.cert, "none") }),
  };
}

/** The file, and what tells its present content from another one. */
function pemOf(path: string | undefined, text = "", otherwise: string): string {
  return path === undefined ? otherwise : `${path} #${hashString(text).toString(16)}`;
}

function poolSteps(before: Config, after: Config): readonly Step[] {
  const olds = new Map(before.pools.map((pool) => [pool.name, pool]));
  const news = new Set(after.pools.map(({ name }) => name));
  const gone = before.pools.filter(({ name }) => !news.has(name));
  return [
    ...after.pools.flatMap((pool): readonly Step[] => {
      const old = olds.get(pool.name);
      if (!old) return [{ action: "add", subject: "pool", pool: pool.name, to: pool.policy }];
      const changed = [
        ...differences(textsOf(poolSettingsFileOf(old)), textsOf(poolSettingsFileOf(pool))),
        ...reordered(old, pool),
      ];
      return changed.map((difference) => ({
        ...{ action: "change", subject: "pool", pool: pool.name },
        ...difference,
      }));
    }),
    ...gone.map(({ name }): Step => ({ action: "remove", subject: "pool", pool: name })),
  ];
}

/** Of those that stay: some policies look at who comes first. */
function reordered(before: PoolConfig, after: PoolConfig): readonly Difference[] {
  const [olds, news] = [new Set(before.upstreams.map(identityOf)), new Set(after.upstreams.map(identityOf))];
  const listOf = ({ upstreams }: PoolConfig, others: ReadonlySet<string>) =>
    upstreams
      .filter((spec) => others.has(identityOf(spec)))
      .map(({ id }) => id)
      .join(", ");
  const [from, to] = [listOf(before, news), listOf(after, olds)];
  return from === to ? [] : [{ key: "order", from, to }];
}

interface PlacedUpstream {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/** By identity: another address under an old name is another upstream. */
function upstreamPlacements({ pools }: Config): ReadonlyMap<string, PlacedUpstream> {
  const placed = pools.flatMap(({ name, upstreams }) => upstreams.map((spec) => ({ pool: name, spec })));
  return new Map(placed.map((place) => [identityOf(place.spec), place]));
}

function upstreamSteps(before: Config, after: Config): readonly Step[] {
  const [olds, news] = [upstreamPlacements(before), upstreamPlacements(after)];
  const named = ({ pool, spec }: PlacedUpstream) =>
    ({ subject: "upstream", pool, upstream: spec.id }) as const;
  return [
    ...[...news].flatMap(([identity, place]): readonly Step[] => {
      const old = olds.get(identity);
      if (!old) return [{ action: "add", ...named(place), to: describe(place.spec) }];
      return differences(upstreamSettings(old), upstreamSettings(place)).map((difference) => ({
        ...{ action: "change", ...named(place) },
        ...difference,
      }));
    }),
    ...[...olds].flatMap(([identity, place]): readonly Step[] =>
      news.has(identity) ? [] : [{ action: "remove", ...named(place), from: describe(place.spec) }],
    ),
  ];
}

function upstreamSettings({ pool, spec }: PlacedUpstream): Settings {
  const { tls } = spec.address;
  return {
    pool,
    weight: String(spec.weight),
    backup: String(spec.backup),
    "tls.ca": pemOf(tls?.caPath, tls?.ca, "the system's"),
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
function textsOf(file: object): Settings {
  const texts = flattenConfig(file).map(({ path, value }) => [nameOf(path), textOf(value)] as const);
  return Object.fromEntries(texts);
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(", ") || none : String(value);
}

const signs = { add: "+", remove: "-", change: "~" } as const;

/** One line of a diff: "+ upstream main/api-4: http://10.0.0.4:80 weight 1", "~ pool main: policy first → p2c". */
export function describeStep({ action, subject, pool, upstream, key, from, to, needsRestart }: Step): string {
  const name = [subject, [pool, upstream].filter((part) => part !== undefined).join("/")]
    .filter(Boolean)
    .join(" ");
  const values = [from, to].filter((value) => value !== undefined).join(" → ");
  const what = [key, values].filter(Boolean).join(" ");
  return `${signs[action]} ${name}${what ? `: ${what}` : ""}${needsRestart ? " (needs a restart)" : ""}`;
}

// How the admin side's accounts change at a reload: what of it counts at once, and what the difference is called.

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
