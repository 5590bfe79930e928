/** Operator intents: what an operator set at run time, with actor, time and reason; and their JSON encoding. */

import { asRecord, parseJson } from "../lib/json.ts";
import type { Address, UpstreamTls } from "../net/address.ts";
import { type Mode, modes, type UpstreamSpec } from "../pool/upstream.ts";

export interface IntentMeta {
  /** Id of the upstream. */
  readonly upstream: string;
  /** Actor. */
  readonly by: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Reason given by the operator; may be empty. */
  readonly why: string;
}

export interface ModeIntent extends IntentMeta {
  readonly kind: "mode";
  readonly mode: Mode;
  /**
   * Of a drain: milliseconds from its start to its deadline, for other balancers that begin it later. After a restart, a drain has
   * no deadline any more.
   */
  readonly deadlineMs?: number;
}

/** Overrides the configured weight. */
export interface WeightIntent extends IntentMeta {
  readonly kind: "weight";
  readonly weight: number;
}

/** Adds an upstream that is not in the configuration. */
export interface AddedIntent extends IntentMeta {
  readonly kind: "added";
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/** Removes an upstream of the configuration, as long as it has this address. */
export interface RemovedIntent extends IntentMeta {
  readonly kind: "removed";
  readonly pool: string;
  readonly address: Address;
}

export type Intent = ModeIntent | WeightIntent | AddedIntent | RemovedIntent;

/** What an intent sets. An upstream has at most one intent for each aspect: the latest. */
export type Aspect = "mode" | "weight" | "member";

/** Withdraws an intent. Who did it, when and why is missing where the balancer does so itself. */
export interface IntentRemoval extends Partial<Omit<IntentMeta, "upstream">> {
  readonly kind: "forgotten";
  readonly upstream: string;
  readonly aspect: Aspect;
}

export function aspectOf({ kind }: Intent): Aspect {
  return kind === "added" || kind === "removed" ? "member" : kind;
}

/** Key of upstream and aspect. Of two entries with the same key the later one replaces the earlier one. */
export function intentKey(meta: Intent | IntentRemoval): string {
  return `${meta.kind === "forgotten" ? meta.aspect : aspectOf(meta)} ${meta.upstream}`;
}

/** The fields of an intent that are not {@link IntentMeta}, as JSON. */
export function serializeIntent(intent: Intent): string {
  const { upstream: _upstream, by: _by, at: _at, why: _why, ...content } = intent;
  return JSON.stringify(content);
}

/** Reads the JSON of {@link serializeIntent}. Undefined if it is invalid, so that only this intent is lost and not the file. */
export function parseIntent(meta: IntentMeta, json: string): Intent | undefined {
  const content = asRecord(parseJson(json));
  const { kind } = content;
  if (kind === "mode") {
    const mode = modes.find((name) => name === content["mode"]);
    const deadlineMs = content["deadlineMs"];
    const isTimed = mode === "draining" && isDeadline(deadlineMs);
    return mode && { ...meta, kind, mode, ...(isTimed && { deadlineMs }) };
  }
  if (kind === "weight") {
    const weight = content["weight"];
    return isWeight(weight) ? { ...meta, kind, weight } : undefined;
  }
  const pool = content["pool"];
  if (typeof pool !== "string") return undefined;
  if (kind === "removed") {
    const address = addressIn(content["address"]);
    return address && { ...meta, kind, pool, address };
  }
  const spec = asRecord(content["spec"]);
  const origin = addressIn(spec["address"]);
  const tls = tlsIn(asRecord(spec["address"])["tls"]);
  const { http2 } = asRecord(spec["address"]);
  const address = origin && {
    ...origin,
    ...(tls && origin.protocol === "https" && { tls }),
    ...(typeof http2 === "boolean" && { http2 }),
  };
  const weight = spec["weight"];
  if (kind !== "added" || !address || !isWeight(weight)) return undefined;
  return {
    ...meta,
    kind,
    pool,
    spec: { id: meta.upstream, address, weight, backup: spec["backup"] === true },
  };
}

/** At most a day: the API allows an hour. */
function isDeadline(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value <= 86_400_000;
}

function isWeight(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 256;
}

function addressIn(value: unknown): Address | undefined {
  const { protocol, hostname, port } = asRecord(value);
  if (protocol !== "http" && protocol !== "https") return undefined;
  if (typeof hostname !== "string" || typeof port !== "number") return undefined;
  return { protocol, hostname, port };
}

/** Without `ca`: only the configuration names certificate files. An invalid value means that certificates are verified. */
function tlsIn(value: unknown): UpstreamTls | undefined {
  if (value === undefined) return undefined;
  const { serverName, verify } = asRecord(value);
  return { verify: verify !== false, ...(typeof serverName === "string" && { serverName }) };
}
