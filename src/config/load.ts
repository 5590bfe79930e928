/** Turns flags, variables and the configuration file into the effective configuration, or reports all problems at once. */

import { originOf } from "../net/address.ts";
import { unusualHostOf } from "../net/own-addresses.ts";
import type { CertificateReader } from "../tls/certificate-files.ts";
import { describeExpiry } from "../tls/expiry.ts";
import { accessWarnings } from "./access-checks.ts";
import { readAlertFiles } from "./alert-checks.ts";
import { alertWarnings } from "./alerts.ts";
import { isCovered, readCertificates } from "./certificates.ts";
import { type Config, defaults } from "./config.ts";
import type { ServedProtocols } from "./listener-checks.ts";
import { crossCheck, type ListenerKey } from "./cross-checks.ts";
import { expandListeners, uncertifiedListeners } from "./listener-tls-checks.ts";
import { applyDefaults, type ResolvedConfig } from "./defaults.ts";
import { fleetWarnings, readFleetFiles } from "./fleet.ts";
import { type ConfigError, configError, type Path, type Problem, quote } from "./problem.ts";
import { extensionChecks, type ExtensionOptions, extensionPathIn } from "./extension-checks.ts";
import { readRouteFiles } from "./route-files.ts";
import { routeWarnings } from "./route-notes.ts";
import { schemaErrors } from "./schema-kit.ts";
import { type ConfigFile, fileSchemaFor } from "./schema.ts";
import { type ConfigSources, entriesOf, mergeSources, type SourceValue, valueAt } from "./sources.ts";
import { readStickySecrets } from "./sticky.ts";
import type { UpstreamFile } from "./upstream-schema.ts";
import { expandUpstreams } from "./upstreams.ts";
import type { FileText, ReadText } from "./yaml-file.ts";

export interface LoadConfigOptions {
  /** From flags and variables. A path that starts with `pools` and "*" means the first pool. */
  readonly values: readonly SourceValue[];
  /** The parsed file, or why it cannot be read; undefined if it does not exist. */
  readonly file?: FileText | readonly Problem[] | undefined;
  /** Reads the files that the configuration references. */
  readonly read: ReadText;
  /** Lists the folders that it references. */
  readonly list?: CertificateReader["list"];
  /** What this runtime can serve; by default all. */
  readonly served?: ServedProtocols;
  /** By default no file has extensions. */
  readonly extensions?: ExtensionOptions;
  /** State file if no source names one. */
  readonly defaultState: string;
  /** `up` also starts the dashboard, and demo servers if no upstreams are configured. */
  readonly purpose: "up" | "proxy" | "check";
  /** The upstreams of the demo, in the long form. */
  readonly demoUpstreams?: readonly UpstreamFile[];
}

export interface LoadedConfig extends ResolvedConfig {
  readonly kind: "loaded";
  /** Whether the upstreams need demo servers. */
  readonly isDemo: boolean;
  /** Source of the value at a path of the configuration file: "flag --port", "default" … */
  readonly sourceOf: (path: Path) => string;
}

export function loadConfig(options: LoadConfigOptions): LoadedConfig | ConfigError {
  const { defaultState, purpose } = options;
  const unreadable = isProblems(options.file) ? options.file : [];
  const file = isProblems(options.file) ? undefined : options.file;
  const [firstEntry] = entriesOf(valueAt(file?.value, ["pools"]));
  const firstPool = firstEntry?.[0] ?? defaults.pool.name;
  const values = options.values.map((given) => ({ ...given, path: inFirstPool(given.path, firstPool) }));

  const hasUpstreams = file?.has(["pools"]) || values.some(({ path }) => path.at(-1) === "upstreams");
  const isDemo = purpose === "up" && !hasUpstreams;
  const base = file?.has(["pools"])
    ? file.value
    : withDefaultPool(file?.value, isDemo ? (options.demoUpstreams ?? []) : undefined);
  const sources = mergeSources({
    values,
    file,
    base,
    expand: (value) => expandListeners(expandUpstreams(value)),
  });

  const invalid = schemaErrors(fileSchemaFor(valueAt(sources.value, ["listen"])), sources.value);
  // An unreadable file may contain what resolves a conflict, so nothing is checked across settings.
  const conflicts =
    unreadable.length > 0
      ? []
      : crossCheck(sources, listenersOf(purpose, sources), options.served ?? { http3: true });
  const certificates = readCertificates(sources, { read: options.read, list: options.list ?? (() => []) });
  const routeFiles = readRouteFiles(sources, options.read);
  const extensions = options.extensions ?? { find: () => undefined };
  const stickySecrets = readStickySecrets(sources, options.read);
  const fleetFiles = readFleetFiles(sources, options.read);
  const alertFiles = readAlertFiles(sources, options.read);
  const problems = [
    ...misplacedListenerValues(file?.value, values),
    ...unreadable,
    ...invalid.errors.map(sources.problemOf),
    ...conflicts,
    ...certificates.problems,
    ...routeFiles.problems,
    ...extensionChecks(sources, extensions),
    ...stickySecrets.problems,
    ...fleetFiles.problems,
    ...alertFiles.problems,
    ...uncertifiedListeners(sources, certificates),
  ];
  if (problems.length > 0) return configError(problems.toSorted(byLocation), invalid.omitted);
  const resolved = applyDefaults(sources.value as ConfigFile, {
    defaultState,
    certificates,
    routeTexts: routeFiles.texts,
    extensions: extensionPathIn(sources.value, extensions),
    stickySecrets: stickySecrets.secrets,
    fleetTexts: fleetFiles.texts,
    alertTexts: alertFiles,
  });
  return { kind: "loaded", ...resolved, isDemo, sourceOf: sources.sourceOf };
}

/** A flag for the listener cannot mean one of several. */
function misplacedListenerValues(file: unknown, values: readonly SourceValue[]): readonly Problem[] {
  if (!Array.isArray(valueAt(file, ["listen"]))) return [];
  return values
    .filter(({ path }) => path[0] === "listen")
    .map(({ name, text }) => ({
      action: `use ${name}`,
      why: "the file has a list of listeners; set it there",
      received: quote(text),
    }));
}

/** Orders flags and variables before the file, and the file from top to bottom. */
function byLocation({ location: left }: Problem, { location: right }: Problem): number {
  if (!left || !right) return Number(left !== undefined) - Number(right !== undefined);
  return left.line - right.line || left.column - right.column;
}

/** `check` does not depend on a command, so it includes the dashboard only if a source configures its address. */
function listenersOf(
  purpose: LoadConfigOptions["purpose"],
  { sourceOf }: ConfigSources,
): readonly ListenerKey[] {
  const isConfigured = ["host", "port"].some((key) => sourceOf(["dashboard", key]) !== "default");
  const hasDashboard = purpose === "up" || (purpose === "check" && isConfigured);
  return hasDashboard ? ["listen", "admin", "dashboard"] : ["listen", "admin"];
}

function isProblems(file: FileText | readonly Problem[] | undefined): file is readonly Problem[] {
  return Array.isArray(file);
}

function inFirstPool([top = "", ...inside]: Path, firstPool: string): Path {
  return top === "pools" && inside[0] === "*" ? [top, firstPool, ...inside.slice(1)] : [top, ...inside];
}

function withDefaultPool(file: unknown, demo: readonly UpstreamFile[] | undefined): unknown {
  const pool = demo
    ? { upstreams: demo, probe: { path: defaults.demo.probePath } }
    : { upstreams: defaults.pool.upstreams };
  return { ...(file as object | undefined), pools: { [defaults.pool.name]: pool } };
}

/**
 * Warnings about a valid configuration, for the start, a reload and `check`. Sentences without a full stop.
 * @param now epoch milliseconds
 */
export function warningsIn(config: Config, now: number): readonly string[] {
  return [
    ...expiryWarnings(config, now),
    ...config.certificateWarnings,
    ...uncoveredRoutes(config),
    ...trustWarnings(config),
    ...unsharedWarnings(config),
    ...stickyWarnings(config),
    ...fleetWarnings(config),
    ...alertWarnings(config),
    ...hostWarnings(config),
    ...accessWarnings(config),
    ...routeWarnings(config),
  ];
}

function expiryWarnings({ foundCertificates }: Config, now: number): readonly string[] {
  return foundCertificates.flatMap((certificate) => {
    const expiry = describeExpiry(certificate, now);
    const { setting, source } = certificate;
    return expiry === undefined ? [] : [`${setting}: the certificate from ${source} ${expiry}`];
  });
}

/** Hosts of routes whose clients would get a certificate for another name. */
function uncoveredRoutes({ listeners, routes, foundCertificates, acme }: Config): readonly string[] {
  // Where clients may come without TLS, a host may be only for them.
  if (listeners.some(({ tls }) => tls === undefined) || foundCertificates.length === 0) return [];
  const ordered = acme.map(({ hosts }) => ({ names: hosts }));
  const certified = [...foundCertificates, ...ordered].filter(({ names }) => names.length > 0);
  const hosts = new Set(routes.flatMap(({ conditions }) => conditions.hosts ?? []));
  return [...hosts]
    .filter((host) => !isCovered(host, certified) && !(host.startsWith("*.") && hasBelow(host, certified)))
    .map((host) => `no certificate covers the host ${host} of a route; its clients get the default one`);
}

/** Whether a certificate is for a name below this wildcard, which is all that the route may be meant for. */
function hasBelow(wildcard: string, certificates: readonly { readonly names: readonly string[] }[]): boolean {
  return certificates.some(({ names }) => names.some((name) => name.endsWith(wildcard.slice(1))));
}

function trustWarnings({ pools }: Config): readonly string[] {
  return pools.flatMap(({ upstreams }) =>
    upstreams
      .filter(({ address }) => address.tls?.verify === false)
      .map(
        ({ id, address }) =>
          `upstream ${id}: the certificate of ${originOf(address)} is not verified (man-in-the-middle risk)`,
      ),
  );
}

function unsharedWarnings({ pools }: Config): readonly string[] {
  return pools
    .filter(({ proxyProtocol }) => proxyProtocol)
    .map(
      ({ name }) =>
        `pools.${name}.proxyProtocol: clients share no connections to its upstreams, so that each client opens its own`,
    );
}

function stickyWarnings({ pools, state, stickySecrets }: Config): readonly string[] {
  const pool = pools.find(({ sticky }) => sticky);
  if (!pool || stickySecrets || state !== ":memory:") return [];
  return [
    `pools.${pool.name}.sticky: without EVENKEEL_STICKY_SECRET or stickySecretFile, and without a state file, its cookies are void after a restart`,
  ];
}

/** The file decides, but such an address is more often a mistake. */
function hostWarnings({ pools, allowLinkLocal }: Config): readonly string[] {
  return pools.flatMap(({ upstreams }) =>
    upstreams.flatMap(({ id, address }) => {
      const unusual = unusualHostOf(address.hostname);
      if (unusual === undefined || (unusual === "link-local" && allowLinkLocal)) return [];
      return [`upstream ${id}: ${unusualHostTexts[unusual]}`];
    }),
  );
}

/** The clause after the name or the URL of an upstream. */
export const unusualHostTexts = {
  unspecified: "its host is the address of no server; 127.0.0.1 is this machine",
  "link-local":
    "its host is link-local, where clouds serve this machine's credentials; allowLinkLocal: true accepts it",
} as const;
