/** The seam of discovery: what a source of members reports, and what it is made with. */

import type { DiscoveryEntry, MemberTemplate } from "../config/discovery.ts";
import type { Dns } from "../dns/client.ts";
import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Address } from "../net/address.ts";

/** One member that a source reports. */
export interface DiscoveredMember {
  readonly address: Address;
  /** Range 0–256. */
  readonly weight: number;
  readonly backup: boolean;
  /** It still answers and shuts down: it drains at once. */
  readonly isTerminating: boolean;
  /** What people call it: a container, a pod. Shown only; its address is its identity. */
  readonly name?: string;
}

/** The whole state of a source, never a difference. */
export interface DiscoveryAnswer {
  readonly members: readonly DiscoveredMember[];
  /** Clauses about what was meant and cannot be a member: "container web-1: it exposes no TCP port". */
  readonly skipped?: readonly string[];
}

/** Called by a source, never after its cancellation. The texts of causes are clauses without a full stop. */
export interface DiscoveryListener {
  answered(answer: DiscoveryAnswer): void;
  /** The source cannot be asked now, or its answer cannot be used: the last answer stays. */
  failed(why: string): void;
  /** The source answered that there is nothing: no such name, an empty list. It may be wrong, so that it has to say it again. */
  absent(why: string): void;
}

export interface DiscoverySource {
  /** Whether an answer may leave members out, as servers of DNS do that have many: one omission is no departure. */
  readonly isSampled?: boolean;
  /** Reports until it is cancelled. Also failures, each time that it tries again. */
  start(listener: DiscoveryListener): Cancel;
}

/** What sources share. */
export interface SourceContext {
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly dns: Dns;
  /** Where the cluster is in which this process runs; empty outside of one. */
  readonly cluster: ClusterEnvironment;
}

/** What Kubernetes gives each container. */
export interface ClusterEnvironment {
  /** An IP address without brackets; undefined outside of a cluster. */
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  /** Where the files of the service account are, if not in the usual folder. */
  readonly accountFolder?: string;
}

export function clusterEnvironmentOf(
  variables: Readonly<Record<string, string | undefined>>,
): ClusterEnvironment {
  return {
    host: variables["KUBERNETES_SERVICE_HOST"] || undefined,
    port: variables["KUBERNETES_SERVICE_PORT"] || undefined,
  };
}

/** An entry of the configuration with the settings of one kind of source. */
export type EntryOf<Settings> = Omit<DiscoveryEntry, "source" | "position"> & { readonly source: Settings };

/** Members of an entry beyond this number are left out, and told. */
export const maxMembers = 1_000;

/**
 * A member as its entry says.
 * @param hostname an IP address with or without brackets, or a name
 * @param serverName the name that its certificate has if the entry names none; by default the host
 */
export function memberAt(
  { protocol, http2, tls, weight, backup }: MemberTemplate,
  { hostname, port, serverName, ...given }: MemberFacts,
): DiscoveredMember {
  const named = serverName === undefined ? {} : { serverName };
  const host = hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
  return {
    address: {
      protocol,
      hostname: host,
      port,
      ...(protocol === "https" &&
        (tls || serverName !== undefined) && { tls: { verify: true, ...named, ...tls } }),
      ...(http2 !== undefined && { http2 }),
    },
    weight: weight ?? given.weight ?? 1,
    backup: backup || given.backup === true,
    isTerminating: given.isTerminating ?? false,
    ...(given.name !== undefined && { name: given.name }),
  };
}

export interface MemberFacts extends Partial<Omit<DiscoveredMember, "address">> {
  readonly hostname: string;
  readonly port: number;
  readonly serverName?: string;
}
