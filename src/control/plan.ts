/** The differences between two configurations as steps: for `plan` before a reload, and for the event log after it. */

import { isOpen } from "../access/accounts.ts";
import { alertSecretsOf } from "../config/alerts.ts";
import type { Config, PoolConfig } from "../config/config.ts";
import { describeAccount } from "../config/cross-checks.ts";
import { describeSource } from "../config/discovery.ts";
import { fleetSecretsOf } from "../config/fleet.ts";
import { poolSettingsFileOf, settingsFileOf } from "../config/to-file.ts";
import { hashString } from "../lib/hash.ts";
import { isLoopback, originOf } from "../net/address.ts";
import type { UpstreamSpec } from "../pool/upstream.ts";
import { identityOf } from "../registry/pool-registry.ts";
import { routeSteps } from "./route-steps.ts";
import { type Difference, differences, flatTexts, none, type Settings, type Step } from "./step.ts";

/** The steps from one configuration to the other; empty if they are equivalent. */
export function planSteps(before: Config, after: Config): readonly Step[] {
  return [
    ...settingSteps(before, after),
    ...poolSteps(before, after),
    ...upstreamSteps(before, after),
    ...routeSteps(before, after),
  ];
}

/** Settings that the running listeners, the engine and the store were created with. */
const fixedKeys = [
  "listen",
  "extensions",
  "engine",
  "workers",
  "admin",
  "state",
  "clientTimeouts",
  "limits",
  "accessLog",
  "tracing",
  "fleet",
  "requests",
] as const;

/** The next configuration as far as it applies without a restart: fixed settings keep their running values. */
export function reloadableConfig(running: Config, next: Config): Config {
  const { accessLog: _log, tracing: _tracing, fleet: _fleet, ...rest } = next;
  const { listeners, engine, workers, state, clientTimeouts, limits, accessLog, tracing, fleet } = running;
  const fixed = {
    listeners,
    acme: needsOtherChallenges(running, next) ? running.acme : next.acme,
    engine,
    workers,
    admin: reloadableAdmin(running.admin, next.admin),
    state,
    clientTimeouts,
    limits,
    requests: running.requests,
  };
  return {
    ...rest,
    ...fixed,
    ...(accessLog && { accessLog }),
    ...(tracing && { tracing }),
    ...(fleet && { fleet }),
  };
}

/** Whether listeners would have to answer challenges that they were not opened for. */
function needsOtherChallenges(running: Config, next: Config): boolean {
  const answered = new Set(running.acme.map(({ challenge }) => challenge));
  return next.acme.some(({ challenge }) => !answered.has(challenge));
}

function settingSteps(before: Config, after: Config): readonly Step[] {
  const isAcmeFixed = needsOtherChallenges(before, after);
  const steps = differences(settingTexts(before), settingTexts(after)).map(({ key, ...values }): Step => {
    const isCertificate = key.startsWith("certificate ");
    // The servers of the runtimes keep the certificates that they were created with.
    const isFixed =
      (isCertificate && before.engine === "fetch") ||
      (isAcmeFixed && [values.from, values.to].some((text) => text?.startsWith("{ acme: "))) ||
      fixedKeys.some((fixed) => key === fixed || key.startsWith(`${fixed}.`) || key.startsWith(`${fixed}[`));
    return { action: "change", subject: "setting", key, ...values, ...(isFixed && { needsRestart: true }) };
  });
  return [...steps, ...accountChanges(before.admin, after.admin)];
}

function settingTexts(config: Config): Settings {
  const certificates = config.foundCertificates.map(
    ({ source, fingerprint }) => [`certificate ${source}`, fingerprint.slice(0, 16)] as const,
  );
  const { stickySecrets } = config;
  const secrets = stickySecrets && { stickySecret: secretText(stickySecrets.join("\n")) };
  const named = { ...fleetSecretsOf(config), ...alertSecretsOf(config.alerts) };
  const otherSecrets = Object.entries(named).map(([name, secret]) => [name, secretText(secret)] as const);
  const { dashboardUrl } = config;
  return {
    ...flatTexts(settingsFileOf(config)),
    ...(dashboardUrl !== undefined && { "dashboard.url": dashboardUrl }),
    ...Object.fromEntries([...certificates, ...otherSecrets]),
    ...secrets,
  };
}

/** Shows that a secret is another one: too few bits to find it. */
function secretText(secret: string): string {
  return `(set) #${(hashString(secret) & 0xffff).toString(16)}`;
}

/** Path and content hash of a PEM file, so that a changed content is a difference. */
function pemText(path: string | undefined, text = "", otherwise: string): string {
  return path === undefined ? otherwise : `${path} #${hashString(text).toString(16)}`;
}

function poolSteps(before: Config, after: Config): readonly Step[] {
  const oldPools = new Map(before.pools.map((pool) => [pool.name, pool]));
  const newNames = new Set(after.pools.map(({ name }) => name));
  const removed = before.pools.filter(({ name }) => !newNames.has(name));
  return [
    ...after.pools.flatMap((pool): readonly Step[] => {
      const old = oldPools.get(pool.name);
      if (!old) return [{ action: "add", subject: "pool", pool: pool.name, to: pool.policy }];
      const changed = [
        ...differences(flatTexts(poolSettingsFileOf(old)), flatTexts(poolSettingsFileOf(pool))),
        ...differences(sourceTexts(old), sourceTexts(pool)),
        ...orderDifference(old, pool),
      ];
      return changed.map((difference) => ({
        action: "change",
        subject: "pool",
        pool: pool.name,
        ...difference,
      }));
    }),
    ...removed.map(({ name }): Step => ({ action: "remove", subject: "pool", pool: name })),
  ];
}

/** By "upstreams from dns api.internal:8080". */
function sourceTexts({ discovery = [] }: PoolConfig): Settings {
  return Object.fromEntries(
    discovery.map(({ source, template }) => {
      const { protocol, weight, backup, http2, tls } = template;
      const texts = [
        protocol,
        ...(weight === undefined ? [] : [`weight ${weight}`]),
        ...(backup ? ["backup"] : []),
        ...(http2 === undefined ? [] : [`http2 ${http2}`]),
        ...(tls ? [`tls #${hashString(JSON.stringify(tls)).toString(16)}`] : []),
      ];
      return [`upstreams from ${describeSource(source)}`, texts.join(" ")];
    }),
  );
}

/** The order of the upstreams that stay: some policies depend on it. */
function orderDifference(before: PoolConfig, after: PoolConfig): readonly Difference[] {
  const [oldIdentities, newIdentities] = [
    new Set(before.upstreams.map(identityOf)),
    new Set(after.upstreams.map(identityOf)),
  ];
  const idsIn = ({ upstreams }: PoolConfig, others: ReadonlySet<string>) =>
    upstreams
      .filter((spec) => others.has(identityOf(spec)))
      .map(({ id }) => id)
      .join(", ");
  const [from, to] = [idsIn(before, newIdentities), idsIn(after, oldIdentities)];
  return from === to ? [] : [{ key: "order", from, to }];
}

interface UpstreamPlacement {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/** Keyed by identity: the same name with another address is another upstream. */
function upstreamPlacements({ pools }: Config): ReadonlyMap<string, UpstreamPlacement> {
  const placements = pools.flatMap(({ name, upstreams }) => upstreams.map((spec) => ({ pool: name, spec })));
  return new Map(placements.map((placement) => [identityOf(placement.spec), placement]));
}

function upstreamSteps(before: Config, after: Config): readonly Step[] {
  const [oldPlacements, newPlacements] = [upstreamPlacements(before), upstreamPlacements(after)];
  const named = ({ pool, spec }: UpstreamPlacement) =>
    ({ subject: "upstream", pool, upstream: spec.id }) as const;
  return [
    ...[...newPlacements].flatMap(([identity, placement]): readonly Step[] => {
      const old = oldPlacements.get(identity);
      if (!old) return [{ action: "add", ...named(placement), to: describe(placement.spec) }];
      return differences(upstreamSettings(old), upstreamSettings(placement)).map((difference) => ({
        action: "change",
        ...named(placement),
        ...difference,
      }));
    }),
    ...[...oldPlacements].flatMap(([identity, placement]): readonly Step[] =>
      newPlacements.has(identity)
        ? []
        : [{ action: "remove", ...named(placement), from: describe(placement.spec) }],
    ),
  ];
}

function upstreamSettings({ pool, spec }: UpstreamPlacement): Settings {
  const { tls, http2 = false } = spec.address;
  return {
    pool,
    weight: String(spec.weight),
    backup: String(spec.backup),
    http2: String(http2),
    "tls.ca": pemText(tls?.caPath, tls?.ca, "system CAs"),
    "tls.cert": pemText(tls?.clientCertificate?.certPath, tls?.clientCertificate?.cert, "none"),
    "tls.key": tls?.clientCertificate?.keyPath ?? "none",
    "tls.serverName": tls?.serverName ?? "URL host",
    "tls.verify": String(tls?.verify ?? true),
  };
}

function describe({ address, weight, backup }: UpstreamSpec): string {
  return `${originOf(address)} weight ${weight}${backup ? " backup" : ""}`;
}

type Admin = Config["admin"];

/** Accounts change at once; the admin listener keeps its address and its token until a restart. */
function reloadableAdmin(running: Admin, next: Admin): Admin {
  const { users: _users, tokens: _tokens, ...listener } = running;
  const { users, tokens } = next;
  const admin = { ...listener, ...(users && { users }), ...(tokens && { tokens }) };
  // The next one may have no accounts because it moves to loopback, but the listener has not moved yet.
  return isOpen(admin) && !isLoopback(running.hostname) ? running : admin;
}

/** Names and roles only, never secrets. */
function accountChanges(before: Admin, after: Admin): readonly Step[] {
  const changed = { action: "change", subject: "setting" } as const;
  const steps: Step[] = [];
  if (before.token !== after.token) steps.push({ ...changed, key: "admin.token", needsRestart: true });
  for (const key of ["users", "tokens"] as const) {
    const [oldAccounts, newAccounts] = [before[key] ?? [], after[key] ?? []];
    if (JSON.stringify(oldAccounts) === JSON.stringify(newAccounts)) continue;
    const [from, to] = [accountNames(oldAccounts), accountNames(newAccounts)];
    steps.push({
      ...changed,
      key: `admin.${key}`,
      ...(from === to ? { to: "(secret changed)" } : { from, to }),
    });
  }
  return steps;
}

function accountNames(accounts: readonly Parameters<typeof describeAccount>[0][]): string {
  return accounts.map(describeAccount).join(", ") || none;
}
