/** Translates the EndpointSlices of one Kubernetes service into members. Pure. */

import { asArray, asRecord } from "../lib/json.ts";
import { canonicalIp } from "../net/ip-address.ts";
import type { MemberTemplate } from "../config/discovery.ts";
import { type DiscoveredMember, type DiscoveryAnswer, memberAt } from "./source.ts";

/** What is kept of an EndpointSlice (`discovery.k8s.io/v1`). Zones, nodes and hints are left alone. */
export interface EndpointSlice {
  readonly name: string;
  readonly family: "IPv4" | "IPv6" | undefined;
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

interface SliceEndpoint {
  readonly host: string;
  readonly isTerminating: boolean;
  /** Of the pod. */
  readonly name: string | undefined;
}

interface SlicePort {
  /** As the service names it; empty for a port without a name. */
  readonly name: string;
  readonly port: number;
}

/** Undefined if the object has no name. */
export function readEndpointSlice(object: unknown): EndpointSlice | undefined {
  const { metadata, addressType, endpoints, ports } = asRecord(object);
  const { name } = asRecord(metadata);
  if (typeof name !== "string" || name === "") return undefined;
  return {
    name,
    family: addressType === "IPv4" || addressType === "IPv6" ? addressType : undefined,
    endpoints: asArray(endpoints).flatMap(readEndpoint),
    ports: asArray(ports).flatMap(readPort),
  };
}

/** Endpoints that serve, or still do while they terminate. */
function readEndpoint(given: unknown): readonly SliceEndpoint[] {
  const { addresses, conditions, targetRef } = asRecord(given);
  const { ready, serving, terminating } = asRecord(conditions);
  const isTerminating = terminating === true;
  // An absent `ready` is true. An absent `serving` follows it.
  const isReady = ready !== false;
  const isServing = serving === undefined || serving === null ? isReady : serving === true;
  if (!(isTerminating ? isServing : isReady)) return [];
  // All addresses of an endpoint are the same pod, and clients use only the first.
  const host = canonicalIp(String(asArray(addresses)[0]));
  if (host === undefined) return [];
  const { kind, name } = asRecord(targetRef);
  return [{ host, isTerminating, name: kind === "Pod" && typeof name === "string" ? name : undefined }];
}

function readPort(given: unknown): readonly SlicePort[] {
  const { name, protocol, port } = asRecord(given);
  const isTcp = protocol === undefined || protocol === null || protocol === "TCP";
  if (!isTcp || !Number.isInteger(port) || Number(port) < 1 || Number(port) > 65_535) return [];
  return [{ name: typeof name === "string" ? name : "", port: Number(port) }];
}

const collator = new Intl.Collator("en", { numeric: true });

/** What the members of a service have in common. */
export interface SliceTranslation {
  /** Name of a port of the service, or number of a port of its pods; undefined for the only one. */
  readonly port?: string | number | undefined;
  readonly template: MemberTemplate;
  /** The name in certificates of the pods, unless the template has one. */
  readonly serverName: string;
}

export function sliceMembers(
  slices: Iterable<EndpointSlice>,
  { port, template, serverName }: SliceTranslation,
): DiscoveryAnswer {
  const all = [...slices].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const members = new Map<string, DiscoveredMember>();
  const skipped = new Set<string>();
  for (const slice of ofOneFamily(all)) {
    if (slice.endpoints.length === 0) continue;
    const chosen = portOfSlice(slice, port);
    if (typeof chosen === "string") {
      skipped.add(chosen);
      continue;
    }
    for (const { host, isTerminating, name } of slice.endpoints) {
      const key = `${host} ${chosen}`;
      // An endpoint may be in two slices while Kubernetes moves it, and the newer state is not known. The pod that serves wins.
      if (members.get(key)?.isTerminating === false) continue;
      const named = name === undefined ? {} : { name };
      members.set(
        key,
        memberAt(template, { hostname: host, port: chosen, serverName, isTerminating, ...named }),
      );
    }
  }
  const ordered = [...members].toSorted(
    ([oneKey, one], [otherKey, other]) =>
      collator.compare(one.name ?? "", other.name ?? "") || (oneKey < otherKey ? -1 : 1),
  );
  return { members: ordered.map(([, member]) => member), skipped: [...skipped] };
}

/** A service of both families has each pod twice; IPv4 is taken, so that no pod gets two shares. */
function ofOneFamily(slices: readonly EndpointSlice[]): readonly EndpointSlice[] {
  const hasIpv4 = slices.some(({ family, endpoints }) => family === "IPv4" && endpoints.length > 0);
  return slices.filter(({ family }) => family === (hasIpv4 ? "IPv4" : "IPv6"));
}

/** The port, or why there is none. */
function portOfSlice({ ports }: EndpointSlice, wanted: string | number | undefined): number | string {
  const names = ports.map(({ name, port }) => (name === "" ? String(port) : `${name} (${port})`));
  const listed = names.slice(0, 10).join(", ");
  if (typeof wanted === "number") {
    // A service without ports has endpoints for all of them.
    if (ports.length === 0 || ports.some(({ port }) => port === wanted)) return wanted;
    return `the pods have no port ${wanted}, but ${listed}`;
  }
  if (wanted !== undefined) {
    const named = ports.find(({ name }) => name === wanted);
    return (
      named?.port ?? `the service has no TCP port named ${wanted}${listed === "" ? "" : `, but ${listed}`}`
    );
  }
  const [first] = ports;
  if (first !== undefined && ports.length === 1) return first.port;
  return first === undefined
    ? "the service has no TCP port; set port"
    : `the service has several ports (${listed}); set port`;
}
