/** The settings of certificate authorities with ACME: schema, checks over several settings, and resolution. */

import { dirname, join } from "node:path";

import { type Static, Type } from "@sinclair/typebox";

import { type AcmeSettings, type ChallengeType, challengeTypes, directories } from "../acme/settings.ts";
import { isLoopback } from "../net/address.ts";
import type { Config, ListenerConfig } from "./config.ts";
import { listenerPathsIn } from "./listener-checks.ts";
import type { Path, Problem } from "./problem.ts";
import { choice, file, flag, optional, textSetting } from "./schema-kit.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";

/** One certificate each: with more, the limits of every public authority are near. */
const maxHosts = 100;

const directoryNames = Object.keys(directories);

export const acmeSchema = optional(
  {
    agree: flag("Whether you agree to the terms of the authority. Without true there is no order."),
    email: textSetting(
      "^[^\\s@,?<>]{1,64}@[^\\s@,?<>]{1,255}$",
      "an address such as ops@example.com",
      "Contact of the account at the authority.",
    ),
    hosts: Type.Array(
      textSetting(
        "^(\\*\\.)?[A-Za-z\\d_-]+(\\.[A-Za-z\\d_-]+)*$",
        "a host name such as shop.example.com",
        "Host with a certificate of its own.",
      ),
      {
        minItems: 1,
        maxItems: maxHosts,
        uniqueItems: true,
        description: "Hosts to order certificates for. Default: every host that a route names.",
        errorMessage: `a list of 1 to ${maxHosts} host names`,
      },
    ),
    directory: textSetting(
      `^(${directoryNames.join("|")}|https?://[^\\s/@]+(/\\S*)?)$`,
      `${directoryNames.join(", ")} or a URL`,
      "Directory of the authority. Default: letsencrypt.",
    ),
    challenge: choice<ChallengeType | "auto">(
      ["auto", ...challengeTypes],
      "How hosts are proven; auto: http-01 where a listener without TLS has port 80, else tls-alpn-01.",
    ),
    storage: file(
      "the path of a folder",
      "Folder for account and certificates. Default: beside the state file.",
    ),
    ca: file("the path of a PEM file", "PEM file with the authorities that the directory is verified with."),
  },
  "Orders certificates from an authority with ACME (RFC 8555).",
);

export type AcmeFile = Static<typeof acmeSchema>;

/** `agree` is checked, so that what is returned is agreed to. */
export function acmeSettingsOf(
  entries: readonly { readonly acme?: AcmeFile }[],
  { listeners, routes, state }: Pick<Config, "listeners" | "routes" | "state">,
  texts: ReadonlyMap<string, string>,
): readonly AcmeSettings[] {
  return entries.flatMap(({ acme }) => {
    if (!acme) return [];
    const { email, hosts, directory = "letsencrypt", challenge = "auto", storage, ca } = acme;
    const ofRoutes = routes.flatMap(({ conditions }) =>
      (conditions.hosts ?? []).filter((host) => !isWildcardHost(host)),
    );
    const caText = ca === undefined ? undefined : texts.get(ca);
    return [
      {
        ...(email !== undefined && { email }),
        hosts: [...new Set((hosts ?? ofRoutes).map((host) => host.toLowerCase()))],
        directory: directoryUrl(directory),
        challenge: challenge === "auto" ? usualChallenge(listeners) : challenge,
        storage: storage ?? join(dirname(state), "acme"),
        ...(ca !== undefined && { caPath: ca }),
        ...(caText !== undefined && { ca: caText }),
      },
    ];
  });
}

function directoryUrl(text: string): string {
  return (directories as Readonly<Record<string, string | undefined>>)[text] ?? text;
}

function usualChallenge(listeners: readonly Pick<ListenerConfig, "tls" | "port">[]): ChallengeType {
  return listeners.some(({ tls, port }) => !tls && port === 80) ? "http-01" : "tls-alpn-01";
}

function isWildcardHost(host: string): boolean {
  return host.startsWith("*.");
}

function acmePathsIn(value: unknown): readonly Path[] {
  return entriesOf(valueAt(value, ["certificates"])).flatMap(([index, entry]) =>
    valueAt(entry, ["acme"]) === undefined ? [] : [["certificates", index, "acme"]],
  );
}

export function acmeCaPathsIn(value: unknown): readonly Path[] {
  return acmePathsIn(value).map((path) => [...path, "ca"]);
}

/** Hosts that an authority issues certificates for, of an unchecked configuration. */
export function acmeHostsIn(value: unknown): readonly string[] {
  return acmePathsIn(value).flatMap((path) => hostsAt(value, path).map(({ host }) => host.toLowerCase()));
}

interface FoundHost {
  readonly host: string;
  readonly path: Path;
}

function hostsAt(value: unknown, acme: Path): readonly FoundHost[] {
  const listed = valueAt(value, [...acme, "hosts"]);
  const found: readonly (readonly [Path, unknown])[] =
    listed === undefined
      ? entriesOf(valueAt(value, ["routes"])).flatMap(([index, route]) => routeHosts(index, route))
      : entriesOf(listed).map(([index, host]) => [[...acme, "hosts", index], host]);
  const hosts = found.flatMap(([path, host]) => (typeof host === "string" ? [{ host, path }] : []));
  return listed === undefined ? hosts.filter(({ host }) => !isWildcardHost(host)) : hosts;
}

/** A route has one host or a list. */
function routeHosts(index: string, route: unknown): readonly (readonly [Path, unknown])[] {
  const path = ["routes", index, "host"];
  const given = valueAt(route, ["host"]);
  return Array.isArray(given)
    ? given.map((host: unknown, entry) => [[...path, String(entry)], host])
    : [[path, given]];
}

export function acmeChecks(sources: ConfigSources): readonly Problem[] {
  const { value } = sources;
  const owners = new Map<string, Path>();
  return acmePathsIn(value).flatMap((acme) => {
    const given = valueAt(value, acme);
    if (typeof given !== "object" || given === null) return [];
    return [
      ...disagreement(sources, acme),
      ...impossibleHosts(sources, acme, owners),
      ...impossibleChallenge(sources, acme),
      ...lostCertificates(sources, acme),
      ...unprotectedDirectory(sources, acme),
      ...openKeys(sources, acme),
    ];
  });
}

function disagreement(sources: ConfigSources, acme: Path): readonly Problem[] {
  const path = [...acme, "agree"];
  const value = valueAt(sources.value, path);
  if (value === true || (value !== undefined && typeof value !== "boolean")) return [];
  const why = "read the terms of the authority, and set agree: true if you agree to them";
  return [sources.problemOf({ path, why, value })];
}

function impossibleHosts(sources: ConfigSources, acme: Path, owners: Map<string, Path>): readonly Problem[] {
  const hosts = hostsAt(sources.value, acme);
  const isListed = valueAt(sources.value, [...acme, "hosts"]) !== undefined;
  if (!isListed && hosts.length === 0) {
    const why = "there is no host; set hosts, or a host in a route";
    return [sources.problemOf({ path: acme, why, value: valueAt(sources.value, acme) })];
  }
  const names = new Set(hosts.map(({ host }) => host.toLowerCase()));
  if (!isListed && names.size > maxHosts) {
    const why = `the routes name ${names.size} hosts, and at most ${maxHosts} are possible; set hosts`;
    return [sources.problemOf({ path: acme, why, value: valueAt(sources.value, acme) })];
  }
  const seen = new Set<string>();
  return hosts.flatMap(({ host, path }) => {
    const name = host.toLowerCase();
    if (seen.has(name)) return [];
    seen.add(name);
    const owner = owners.get(name);
    if (!owner) owners.set(name, acme);
    const why = isWildcardHost(name)
      ? "a wildcard needs a proof by DNS, which is not supported; use a certificate in files"
      : /^\d+(\.\d+){3}$/.test(name)
        ? "certificates for addresses are not supported; set a host name"
        : owner && `${sources.subjectOf(owner)} has this host already`;
    return why === undefined ? [] : [sources.problemOf({ path, why, value: host })];
  });
}

const isDeno = "Deno" in globalThis;

/** Rejects a challenge that no listener can answer, and an engine that cannot present what comes of it. */
function impossibleChallenge(sources: ConfigSources, acme: Path): readonly Problem[] {
  const { value } = sources;
  const whole = valueAt(value, acme);
  if (valueAt(value, ["engine"]) === "fetch") {
    const why = "the fetch engine cannot change certificates while it runs; use the wire engine";
    return [sources.problemOf({ path: acme, why, value: whole })];
  }
  const all = listenerPathsIn(value);
  const secure = all.filter((listener) => valueAt(value, [...listener, "tls"]) !== undefined);
  if (secure.length === 0) {
    const why = "there is no listener with TLS that could use a certificate";
    return [sources.problemOf({ path: acme, why, value: whole })];
  }
  const path = [...acme, "challenge"];
  const given = valueAt(value, path);
  const plain = all.filter((listener) => !secure.includes(listener));
  const isUsual = plain.some((listener) => valueAt(value, [...listener, "port"]) === 80);
  const challenge = given === undefined || given === "auto" ? (isUsual ? "http-01" : "tls-alpn-01") : given;
  if (challenge === "tls-alpn-01" && isDeno) {
    // Its TLS library refuses the critical extension that RFC 8737 demands.
    const why = "tls-alpn-01 does not work under Deno; set http-01, and a listener without TLS at port 80";
    return [sources.problemOf({ path, why, value: given })];
  }
  if (challenge !== "http-01" || plain.length > 0) return [];
  const why = "the authority asks at port 80, and every listener has TLS; add a listener without TLS";
  return [sources.problemOf({ path, why, value: challenge })];
}

/** Every start would order again, until the authority refuses. */
function lostCertificates(sources: ConfigSources, acme: Path): readonly Problem[] {
  const state = valueAt(sources.value, ["state"]);
  if (state !== ":memory:" || valueAt(sources.value, [...acme, "storage"]) !== undefined) return [];
  const why = "certificates of ACME would be lost at each restart; set the path of a file, or acme.storage";
  return [sources.problemOf({ path: ["state"], why, value: state })];
}

/** Each balancer of a fleet would order certificates of its own, and answer no challenges of the others. */
function openKeys(sources: ConfigSources, acme: Path): readonly Problem[] {
  const fleet = valueAt(sources.value, ["fleet"]);
  const hasKey = ["key", "keyFile"].some((key) => valueAt(fleet, [key]) !== undefined);
  if (fleet === undefined || hasKey) return [];
  const why =
    "the balancers of a fleet share certificates, and their private keys must not lie open in the store; set fleet.keyFile, or EVENKEEL_FLEET_KEY";
  return [sources.problemOf({ path: acme, why })];
}

/** Rejects a directory to which account and orders would go unprotected. */
function unprotectedDirectory(sources: ConfigSources, acme: Path): readonly Problem[] {
  const path = [...acme, "directory"];
  const directory = valueAt(sources.value, path);
  if (typeof directory !== "string" || !directory.startsWith("http:") || !URL.canParse(directory)) return [];
  if (isLoopback(new URL(directory).hostname)) return [];
  return [sources.problemOf({ path, why: "expected https", value: directory })];
}

/** In the form of a file. */
export function acmeFileOf(settings: AcmeSettings): object {
  const { email, hosts, directory, challenge, storage, caPath } = settings;
  const known = Object.entries(directories).find(([, url]) => url === directory);
  return {
    agree: true,
    ...(email !== undefined && { email }),
    hosts,
    directory: known?.[0] ?? directory,
    challenge,
    storage,
    ...(caPath !== undefined && { ca: caPath }),
  };
}
