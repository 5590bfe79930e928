/** Translates a list of containers into members: which of them serve, at which address, and why others are left out. Pure. */

import { canonicalIp } from "../net/ip-address.ts";
import { areStrings, asArray, asRecord } from "../lib/json.ts";
import type { MemberTemplate } from "../config/discovery.ts";
import { type DiscoveredMember, type DiscoveryAnswer, memberAt } from "./source.ts";

export interface ContainerSelection {
  /** "app" or "app=web". A container needs all of them. */
  readonly labels: readonly string[];
  /** Name of the network with the addresses, as Docker or as Compose knows it. */
  readonly network?: string;
  /** The port in the container. */
  readonly port?: number;
  /** Whether members are the ports that the host publishes, for containers that cannot be reached themselves. */
  readonly published: boolean;
  /** Where published ports and containers without a network of their own are: an IP address or a name. */
  readonly daemonHost: string;
}

export interface ContainerTranslation {
  readonly selection: ContainerSelection;
  readonly template: MemberTemplate;
  /** Whether Docker has signalled the container with this id to stop. */
  readonly isStopping: (id: string) => boolean;
}

/** Labels of containers for what their entry in the configuration leaves open. */
const ownLabels = {
  port: "evenkeel.port",
  network: "evenkeel.network",
  weight: "evenkeel.weight",
  backup: "evenkeel.backup",
} as const;

const maxWeight = 256;

/** Swarm's network for published ports, which carries nothing between containers. */
const publishingNetwork = "ingress";

interface Container {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * @param list the response of `GET /containers/json`
 */
export function containerMembers(
  list: unknown,
  { selection, template, isStopping }: ContainerTranslation,
): DiscoveryAnswer {
  const members = new Map<string, DiscoveredMember>();
  const skipped: string[] = [];
  const containers = asArray(list)
    .map(readContainer)
    .filter((one) => isCandidate(one, selection));
  for (const container of containers.toSorted(byName)) {
    try {
      const { host, port } = endpointOf(container, selection);
      const key = `${host}:${port}`;
      if (members.has(key)) throw new Unusable(`${key} is another container's address too`);
      const weight = weightOf(container);
      const facts = {
        hostname: host,
        port,
        ...(weight !== undefined && { weight }),
        backup: isBackup(container),
        isTerminating: isStopping(container.id),
        name: container.name,
      };
      members.set(key, memberAt(template, facts));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      skipped.push(`container ${container.name}: ${error.message}`);
    }
  }
  return { members: [...members.values()], skipped };
}

/** Why a container that the labels select is no member. */
class Unusable extends Error {}

function readContainer(given: unknown): Container {
  const value = asRecord(given);
  const id = String(value["Id"] ?? "").slice(0, 64);
  const names = value["Names"];
  // Names with a second slash are links of other containers.
  const name = areStrings(names) ? names.find((one) => !one.includes("/", 1))?.replace(/^\//, "") : undefined;
  return { id, name: (name ?? id).slice(0, 100), labels: asRecord(value["Labels"]), value };
}

/** Web-2 before web-10, and the same order each time: the policy `first` depends on it. */
const collator = new Intl.Collator("en", { numeric: true });
const byName = (one: Container, other: Container) =>
  collator.compare(one.name, other.name) || (one.id < other.id ? -1 : 1);

/** Whether a container is meant, and able to serve. Docker's filters are repeated, since proxies may drop them. */
function isCandidate({ value, labels }: Container, selection: ContainerSelection): boolean {
  if (!selection.labels.every((label) => hasLabel(labels, label))) return false;
  // A one-time command in a container of the service, by `docker compose run`.
  if (String(labels["com.docker.compose.oneoff"]).toLowerCase() === "true") return false;
  // A paused container is not running: it accepts connections and never answers.
  return value["State"] === "running" && !isWithoutHealth(value);
}

function hasLabel(labels: Readonly<Record<string, unknown>>, label: string): boolean {
  const [name = "", wanted] = label.split(/=(.*)/s);
  return Object.hasOwn(labels, name) && (wanted === undefined || labels[name] === wanted);
}

/** Whether the container's own health check has failed, or has not passed yet. Without a check it has none to fail. */
function isWithoutHealth(value: Readonly<Record<string, unknown>>): boolean {
  const health = asRecord(value["Health"])["Status"];
  if (health === "unhealthy" || health === "starting") return true;
  // Before version 1.52 of the API only the text for people has it: "Up 5 minutes (unhealthy)".
  return /\((unhealthy|health: starting)\)$/.test(String(value["Status"]));
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

function endpointOf(container: Container, selection: ContainerSelection): Endpoint {
  const port = portOf(container, selection);
  if (selection.published) return publishedEndpoint(container, port, selection);
  return { host: hostOf(container, selection), port };
}

function portOf({ labels, value }: Container, { port }: ContainerSelection): number {
  if (port !== undefined) return port;
  const label = labels[ownLabels.port];
  if (label !== undefined) {
    if (!/^\d{1,5}$/.test(String(label)) || !isPort(Number(label)))
      throw new Unusable(`label ${ownLabels.port} is ${quoted(label)}; expected a number from 1 to 65535`);
    return Number(label);
  }
  const ports = [...new Set(tcpPortsOf(value).map(({ inside }) => inside))];
  const [first] = ports;
  if (first === undefined)
    throw new Unusable(`it exposes no TCP port; set port, or the label ${ownLabels.port}`);
  if (ports.length > 1) {
    const several = ports
      .toSorted((one, other) => one - other)
      .slice(0, 10)
      .join(", ");
    throw new Unusable(`it exposes several ports (${several}); set port, or the label ${ownLabels.port}`);
  }
  return first;
}

interface ContainerPort {
  readonly inside: number;
  readonly published: number | undefined;
  readonly publishedAt: string;
}

function tcpPortsOf(value: Readonly<Record<string, unknown>>): readonly ContainerPort[] {
  return asArray(value["Ports"]).flatMap((given) => {
    const { PrivatePort: inside, PublicPort: published, IP: ip, Type: type } = asRecord(given);
    if (type !== "tcp" || !isPort(inside)) return [];
    return [{ inside, published: isPort(published) ? published : undefined, publishedAt: String(ip ?? "") }];
  });
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
}

function publishedEndpoint({ value }: Container, port: number, selection: ContainerSelection): Endpoint {
  const open = tcpPortsOf(value).filter(
    ({ inside, published }) => inside === port && published !== undefined,
  );
  // Docker lists a port once for each family.
  const chosen = open.find(({ publishedAt }) => !publishedAt.includes(":")) ?? open[0];
  if (chosen?.published === undefined) throw new Unusable(`the host publishes no port for ${port}`);
  const ip = canonicalIp(chosen.publishedAt);
  const isEverywhere = ip === undefined || ip === "0.0.0.0" || ip === "::";
  return { host: isEverywhere ? selection.daemonHost : ip, port: chosen.published };
}

function hostOf(container: Container, { network, daemonHost }: ContainerSelection): string {
  const { labels, value } = container;
  const mode = String(asRecord(value["HostConfig"])["NetworkMode"] ?? "");
  if (mode === "host") return daemonHost;
  if (mode.startsWith("container:"))
    throw new Unusable("it shares the network of another container; put the labels on that one");
  const networks = Object.entries(asRecord(asRecord(value["NetworkSettings"])["Networks"]));
  const wanted = network ?? labels[ownLabels.network];
  const usable =
    wanted === undefined
      ? networks.filter(([name]) => name !== publishingNetwork)
      : networks.filter(([name]) => name === wanted || name === `${projectOf(labels)}_${wanted}`);
  const names = usable.map(([name]) => name).toSorted();
  if (names.length === 0 && wanted !== undefined)
    throw new Unusable(`it is not in network ${quoted(wanted)}`);
  if (names.length > 1 && wanted === undefined) {
    const several = names.slice(0, 10).join(", ");
    throw new Unusable(
      `it is in several networks (${several}); set network, or the label ${ownLabels.network}`,
    );
  }
  // The network of that very name before the one of the Compose project.
  const chosen = usable.find(([name]) => name === wanted) ?? usable[0];
  const { IPAddress: ipv4, GlobalIPv6Address: ipv6 } = asRecord(chosen?.[1]);
  const host = canonicalIp(String(ipv4 ?? "")) ?? canonicalIp(String(ipv6 ?? ""));
  if (host === undefined) throw new Unusable("it has no address in its network");
  return host;
}

/** Labels may be long, and have any characters. */
function quoted(label: unknown): string {
  return JSON.stringify(String(label).slice(0, 60));
}

function projectOf(labels: Readonly<Record<string, unknown>>): string {
  return String(labels["com.docker.compose.project"] ?? "");
}

function weightOf({ labels }: Container): number | undefined {
  const label = labels[ownLabels.weight];
  if (label === undefined) return undefined;
  if (!/^\d{1,3}$/.test(String(label)) || Number(label) > maxWeight)
    throw new Unusable(
      `label ${ownLabels.weight} is ${quoted(label)}; expected a number from 0 to ${maxWeight}`,
    );
  return Number(label);
}

function isBackup({ labels }: Container): boolean {
  const label = labels[ownLabels.backup];
  if (label === undefined) return false;
  if (label !== "true" && label !== "false")
    throw new Unusable(`label ${ownLabels.backup} is ${quoted(label)}; expected true or false`);
  return label === "true";
}
