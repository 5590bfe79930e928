/** Sources of members: their kinds, their settings, and the keys of entries of `upstreams` that name one. */

import { Type } from "@sinclair/typebox";

import type { UpstreamTls } from "../net/address.ts";
import { type DnsSettings, dnsForm, type SrvSettings, srvForm } from "./dns-source.ts";
import { dockerForm, type DockerSettings } from "./docker-source.ts";
import { type FileSettings, fileForm } from "./file-source.ts";
import { kubernetesForm, type KubernetesSettings } from "./kubernetes-source.ts";
import { choice } from "./schema-kit.ts";
import type { SourceForm } from "./source-form.ts";

/** The form of each kind, by its key in an entry. */
const sourceForms = {
  dns: dnsForm,
  srv: srvForm,
  file: fileForm,
  docker: dockerForm,
  kubernetes: kubernetesForm,
} as const;

export type SourceKind = keyof typeof sourceForms;
export const sourceKinds = Object.keys(sourceForms) as readonly SourceKind[];

/** What one source asks, and where. */
export type SourceSettings = DnsSettings | SrvSettings | FileSettings | DockerSettings | KubernetesSettings;

/** One source of members of a pool. */
export interface DiscoveryEntry {
  readonly source: SourceSettings;
  /** From 0, among the upstreams of the file. */
  readonly position: number;
  readonly template: MemberTemplate;
}

const memberProtocols = ["http", "https"] as const;

/** What all members of an entry have. */
export interface MemberTemplate {
  readonly protocol: (typeof memberProtocols)[number];
  readonly http2?: boolean;
  /** Only for `https`. */
  readonly tls?: UpstreamTls;
  /** Replaces the weights that the source says. */
  readonly weight?: number;
  readonly backup: boolean;
}

/** The keys of an entry that names a source, beside those of every upstream. */
export const sourceKeys = {
  ...sourceSchemas(),
  protocol: Type.Optional(
    choice<MemberTemplate["protocol"]>(memberProtocols, "How members are reached; http by default."),
  ),
};

function sourceSchemas() {
  const optionalOf = (kind: SourceKind) => Type.Optional(Type.Unsafe<unknown>(sourceForms[kind].schema));
  return Object.fromEntries(sourceKinds.map((kind) => [kind, optionalOf(kind)])) as Record<
    SourceKind,
    ReturnType<typeof optionalOf>
  >;
}

/** The source in events, metrics and pages: "dns api.internal:8080". */
export function describeSource(source: SourceSettings): string {
  return `${source.kind} ${formOf(source.kind).subjectOf(source)}`;
}

/** The compiler cannot know that kind and settings belong together. */
export function formOf(kind: SourceKind): SourceForm<unknown, SourceSettings> {
  return sourceForms[kind] as unknown as SourceForm<unknown, SourceSettings>;
}
