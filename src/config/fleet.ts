/** The settings of a fleet: schema, checks over several settings, secrets, and resolution. */

import { type Static, Type } from "@sinclair/typebox";

import {
  fleetDefaults,
  type FleetSettings,
  type FleetStoreAddress,
  type FleetTls,
  type HostAndPort,
} from "../fleet/settings.ts";
import { hostAndPort, isLoopback } from "../net/address.ts";
import { hostProblem, withoutBrackets } from "./network.ts";
import type { Path, Problem } from "./problem.ts";
import { file, optional, textSetting } from "./schema-kit.ts";
import { type ConfigSources, entriesOf, valueAt } from "./sources.ts";
import { readReferencedFile, type ReadText } from "./yaml-file.ts";

/** A shorter key could be guessed. */
const minKeyBytes = 32;

/** More Sentinels than that are a mistake. */
const maxSentinels = 16;

const label = (description: string) =>
  textSetting(
    "^[A-Za-z\\d][\\w.-]{0,62}$",
    "a name: at most 63 letters, digits and . _ -, starting with a letter or digit",
    description,
  );

const address = Type.String({
  description: "Host and port of a Sentinel; the port is 26379 by default.",
  errorMessage: "an address such as 10.0.0.5:26379",
});

export const fleetSchema = optional(
  {
    name: label("Name of this balancer, different from those of the others."),
    group: label("Name of the fleet: several fleets can share a store."),
    redis: Type.String({
      description: "Redis or Valkey server: redis://host:port, or rediss://host:port for TLS.",
      errorMessage: "a URL such as rediss://redis.internal:6379",
    }),
    sentinels: Type.Array(address, {
      minItems: 1,
      maxItems: maxSentinels,
      uniqueItems: true,
      description: "Sentinels to ask for the server, instead of redis.",
      errorMessage: `a list of 1 to ${maxSentinels} addresses`,
    }),
    master: label("Name by which Sentinels know the server."),
    user: textSetting("^[!-~]{1,128}$", "a name without spaces", "User in the server's access control list."),
    password: Type.String({
      description: "Only by EVENKEEL_FLEET_PASSWORD: a file is read by more people.",
      notInFiles: true,
      errorMessage: "a text",
    }),
    passwordFile: file("a path", "File with the password."),
    sentinelPasswordFile: file("a path", "File with the password of Sentinels, if they have one."),
    tls: optional(
      {
        ca: file("the path of a PEM file", "PEM file with the authorities of the server's certificate."),
        serverName: textSetting(
          "^[A-Za-z\\d_-]+(\\.[A-Za-z\\d_-]+)*$",
          "a host name such as redis.internal",
          "Name that the server's certificate must have. Default: the host.",
        ),
        cert: file("the path of a PEM file", "PEM file with the certificate that is shown to the server."),
        key: file("the path of a PEM file", "PEM file with its key."),
      },
      "TLS to the server. With Sentinels its presence turns TLS on, to them too.",
    ),
    key: Type.String({
      description: "Only by EVENKEEL_FLEET_KEY: a file is read by more people.",
      notInFiles: true,
      errorMessage: "a text",
    }),
    keyFile: file(
      "a path",
      "File with the key, of at least 32 bytes, that seals private keys in the store. All balancers have the same.",
    ),
    url: textSetting(
      "^https?://[^\\s/@?#]+(/[^\\s@?#]*)?$",
      "a URL such as https://lb1.example.com without user name and password",
      "Where people reach the dashboard of this balancer, for links from the others.",
    ),
  },
  "Several balancers that share what operators set, through Redis or Valkey. A change needs a restart.",
);

export type FleetFile = Static<typeof fleetSchema>;

/** Contents of the files that the fleet's settings name. */
export interface FleetFiles {
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

const at = (...keys: readonly string[]): Path => ["fleet", ...keys];

const secretFiles: readonly Path[] = [at("passwordFile"), at("sentinelPasswordFile"), at("keyFile")];
const pemFiles: readonly Path[] = [at("tls", "ca"), at("tls", "cert"), at("tls", "key")];

/** No problem quotes a content. */
export function readFleetFiles(sources: ConfigSources, read: ReadText): FleetFiles {
  const texts = new Map<string, string>();
  const problems: Problem[] = [];
  for (const path of [...secretFiles, ...pemFiles]) {
    const name = valueAt(sources.value, path);
    if (typeof name !== "string" || name.trim() === "") continue;
    const found = readReferencedFile(name, read);
    const why = "why" in found ? found.why : contentProblem(path, found.text);
    if (why !== undefined) problems.push(sources.problemOf({ path, why, value: name }));
    else if ("text" in found)
      texts.set(name, pemFiles.includes(path) ? found.text : (secretIn(found.text) ?? ""));
  }
  return { texts, problems };
}

function contentProblem(path: Path, text: string): string | undefined {
  if (pemFiles.includes(path)) return text.includes("-----BEGIN ") ? undefined : "expected a PEM file";
  const secret = secretIn(text);
  if (secret === undefined) return "expected one line";
  const isShort = path.at(-1) === "keyFile" && Buffer.byteLength(secret) < minKeyBytes;
  return isShort ? `expected at least ${minKeyBytes} bytes` : undefined;
}

/** The only line of a file; undefined if there is none, or more. */
function secretIn(text: string): string | undefined {
  const [line = "", ...others] = text.trim().split(/\r?\n/);
  return line !== "" && others.length === 0 ? line : undefined;
}

export function fleetChecks(sources: ConfigSources): readonly Problem[] {
  const fleet = valueAt(sources.value, ["fleet"]);
  if (typeof fleet !== "object" || fleet === null || Array.isArray(fleet)) return [];
  const valueOf = (key: string) => valueAt(fleet, [key]);
  const problem = (key: string | undefined, why: string, isShown = false): Problem =>
    sources.problemOf({
      path: key === undefined ? ["fleet"] : at(key),
      why,
      ...(isShown && key !== undefined && { value: valueOf(key) }),
    });
  const problems: Problem[] = [];
  const has = (key: string) => valueOf(key) !== undefined;
  if (!has("name"))
    problems.push(problem(undefined, "set name, or EVENKEEL_FLEET_NAME, to a name for this balancer"));
  if (has("redis") === has("sentinels"))
    problems.push(problem(undefined, "set one of redis and sentinels, to say where the store is"));
  if (has("sentinels") !== has("master"))
    problems.push(problem(undefined, "sentinels and master belong together; set both"));
  const redis = valueOf("redis");
  const urlWhy = typeof redis === "string" ? redisUrlProblem(redis) : undefined;
  // The URL may hold a password.
  if (urlWhy !== undefined) problems.push(problem("redis", urlWhy, !String(redis).includes("@")));
  const dashboard = valueOf("url");
  if (typeof dashboard === "string" && dashboard.startsWith("http") && !URL.canParse(dashboard))
    problems.push(problem("url", "expected a URL such as https://lb1.example.com", !dashboard.includes("@")));
  const isPlain = typeof redis === "string" && redis.startsWith("redis:");
  if (isPlain && has("tls")) problems.push(problem("tls", "the URL must be rediss:// for TLS"));
  const hasKey = valueAt(fleet, ["tls", "key"]) !== undefined;
  if (hasKey !== (valueAt(fleet, ["tls", "cert"]) !== undefined))
    problems.push(problem("tls", "cert and key belong together; set both"));
  if (has("sentinelPasswordFile") && !has("sentinels"))
    problems.push(problem("sentinelPasswordFile", "there are no sentinels that could ask for it"));
  for (const [index, sentinel] of entriesOf(valueOf("sentinels"))) {
    if (typeof sentinel === "string" && !addressOf(sentinel, fleetDefaults.sentinelPort))
      problems.push(
        sources.problemOf({
          path: at("sentinels", index),
          why: "expected an address such as 10.0.0.5:26379",
          value: sentinel,
        }),
      );
  }
  return [...problems, ...secretChecks(sources, fleet)];
}

/** Secrets in the configuration file itself, twice, or too short. */
function secretChecks(sources: ConfigSources, fleet: object): readonly Problem[] {
  return (["password", "key"] as const).flatMap((key): readonly Problem[] => {
    const value = valueAt(fleet, [key]);
    if (value === undefined) return [];
    const variable = `EVENKEEL_FLEET_${key.toUpperCase()}`;
    const fileKey = `${key}File`;
    const why = sources.sourceOf(at(key)).startsWith("file ")
      ? `a secret is not allowed here; set ${fileKey} to the path of a file, or ${variable}`
      : valueAt(fleet, [fileKey]) !== undefined
        ? `fleet.${fileKey} is set too; set one of them`
        : typeof value === "string" && key === "key" && Buffer.byteLength(value) < minKeyBytes
          ? `expected at least ${minKeyBytes} bytes`
          : value === ""
            ? "expected a text that is not empty"
            : undefined;
    return why === undefined ? [] : [sources.problemOf({ path: at(key), why })];
  });
}

function redisUrlProblem(text: string): string | undefined {
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text))
    return "expected a URL such as rediss://redis.internal:6379";
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    return "the URL must not contain a user name or password; set user, and passwordFile or EVENKEEL_FLEET_PASSWORD";
  const hostWhy = url.hostname === "" ? "expected a host" : hostProblem(withoutBrackets(url.hostname));
  if (hostWhy !== undefined) return hostWhy;
  if (url.port === "0") return "the port must be from 1 to 65535";
  if (url.search !== "" || url.hash !== "" || !/^(\/\d{0,3})?$/.test(url.pathname))
    return "expected nothing after the port but the number of a database";
  return undefined;
}

/** Undefined if the text is no address. */
function addressOf(text: string, port: number): HostAndPort | undefined {
  if (!/^[^\s/?#@]+$/.test(text) || !URL.canParse(`redis://${text}`)) return undefined;
  const url = new URL(`redis://${text}`);
  const hostname = withoutBrackets(url.hostname);
  if (hostname === "" || url.port === "0" || hostProblem(hostname) !== undefined) return undefined;
  return { hostname, port: url.port === "" ? port : Number(url.port) };
}

/** @param given valid */
export function fleetSettingsOf(
  given: FleetFile | undefined,
  texts: FleetFiles["texts"],
): FleetSettings | undefined {
  if (given?.name === undefined) return undefined;
  const { name, group = fleetDefaults.group, user, passwordFile, sentinelPasswordFile, keyFile, url } = given;
  const textOf = (path: string | undefined) => (path === undefined ? undefined : texts.get(path));
  const password = given.password ?? textOf(passwordFile);
  const sentinelPassword = textOf(sentinelPasswordFile);
  const key = given.key ?? textOf(keyFile);
  const isSecure = given.tls !== undefined || given.redis?.startsWith("rediss:") === true;
  return {
    name,
    group,
    store: storeOf(given),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(passwordFile !== undefined && { passwordFile }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(sentinelPasswordFile !== undefined && { sentinelPasswordFile }),
    ...(isSecure && { tls: tlsOf(given.tls, textOf) }),
    ...(key !== undefined && { key }),
    ...(keyFile !== undefined && { keyFile }),
    ...(url !== undefined && { url: url.replace(/\/+$/, "") }),
  };
}

function storeOf({ redis, sentinels = [], master = "" }: FleetFile): FleetStoreAddress {
  if (redis === undefined) {
    const addresses = sentinels.flatMap((text) => addressOf(text, fleetDefaults.sentinelPort) ?? []);
    return { kind: "sentinels", sentinels: addresses, master };
  }
  const url = new URL(redis);
  return {
    kind: "server",
    hostname: withoutBrackets(url.hostname),
    port: url.port === "" ? fleetDefaults.port : Number(url.port),
    database: Number(url.pathname.slice(1)),
  };
}

function tlsOf(given: FleetFile["tls"], textOf: (path: string | undefined) => string | undefined): FleetTls {
  const { ca: caPath, serverName, cert: certPath, key: keyPath } = given ?? {};
  const ca = textOf(caPath);
  return {
    ...(ca !== undefined && { ca }),
    ...(caPath !== undefined && { caPath }),
    ...(serverName !== undefined && { serverName }),
    ...(certPath !== undefined &&
      keyPath !== undefined && {
        clientCertificate: { certPath, keyPath, cert: textOf(certPath) ?? "", key: textOf(keyPath) ?? "" },
      }),
  };
}

/** In the form of a file, without secrets. */
export function fleetFileOf(settings: FleetSettings): object {
  const { name, group, store, user, passwordFile, sentinelPasswordFile, tls, keyFile, url } = settings;
  const { caPath, serverName, clientCertificate } = tls ?? {};
  return {
    name,
    group,
    ...(store.kind === "server"
      ? { redis: redisUrlOf(store, tls !== undefined) }
      : {
          sentinels: store.sentinels.map(({ hostname, port }) => hostAndPort(hostname, port)),
          master: store.master,
        }),
    ...(user !== undefined && { user }),
    ...(passwordFile !== undefined && { passwordFile }),
    ...(sentinelPasswordFile !== undefined && { sentinelPasswordFile }),
    ...(tls && {
      tls: {
        ...(caPath !== undefined && { ca: caPath }),
        ...(serverName !== undefined && { serverName }),
        ...(clientCertificate && { cert: clientCertificate.certPath, key: clientCertificate.keyPath }),
      },
    }),
    ...(keyFile !== undefined && { keyFile }),
    ...(url !== undefined && { url }),
  };
}

function redisUrlOf(
  { hostname, port, database }: Extract<FleetStoreAddress, { kind: "server" }>,
  isSecure: boolean,
): string {
  return `${isSecure ? "rediss" : "redis"}://${hostAndPort(hostname, port)}${database === 0 ? "" : `/${database}`}`;
}

/** The secrets that are set, by their names in the file. */
export function fleetSecretsOf({
  fleet,
}: {
  readonly fleet?: FleetSettings;
}): Readonly<Record<string, string>> {
  const { password, sentinelPassword, key } = fleet ?? {};
  return {
    ...(password !== undefined && { "fleet.password": password }),
    ...(sentinelPassword !== undefined && { "fleet.sentinelPassword": sentinelPassword }),
    ...(key !== undefined && { "fleet.key": key }),
  };
}

/** The server may be reached over networks that others can listen to. */
export function fleetWarnings({ fleet }: { readonly fleet?: FleetSettings }): readonly string[] {
  if (!fleet || fleet.tls || fleet.password === undefined) return [];
  if (fleet.store.kind === "server" && isLoopback(fleet.store.hostname)) return [];
  return ["fleet: the password goes to the store without TLS; use rediss:// or tls"];
}
