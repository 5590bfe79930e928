/** The operator's intent, one wish at a time: what was set while the balancer ran, by whom, when and why. */

import { asRecord, parseJson } from "../lib/json.ts";
import { type Mode, modes, type UpstreamSpec } from "../pool/upstream.ts";
import { type UpstreamTls } from "../net/address.ts";
import { type Address } from "../net/address.ts";

export interface IntentMeta {
  /** Id of the upstream that is meant. */
  readonly upstream: string;
  readonly by: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** In the operator's own words; may be empty. */
  readonly why: string;
}

export interface ModeIntent extends IntentMeta {
  readonly kind: "mode";
  readonly mode: Mode;
}

/** Counts instead of the configured weight. */
export interface WeightIntent extends IntentMeta {
  readonly kind: "weight";
  readonly weight: number;
}

/** An upstream that the configuration does not have. */
export interface AddedIntent extends IntentMeta {
  readonly kind: "added";
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/** An upstream that the configuration has, and that is not wanted: only at this address. */
export interface RemovedIntent extends IntentMeta {
  readonly kind: "removed";
  readonly pool: string;
  readonly address: Address;
}

export type Intent = ModeIntent | WeightIntent | AddedIntent | RemovedIntent;

/** What an intent is about. An upstream has at most one of each: the latest. */
export type Aspect = "mode" | "weight" | "member";

/** That an intent counts no more. */
export interface IntentRemoval {
  readonly kind: "forgotten";
  readonly upstream: string;
  readonly aspect: Aspect;
}

export function aspectOf({ kind }: Intent): Aspect {
  return kind === "added" || kind === "removed" ? "member" : kind;
}

/** Names what is spoken of two with the same key, the later one counts. */
export function intentKey(meta: Intent | IntentRemoval): string {
  return `${meta.kind === "forgotten" ? meta.aspect : aspectOf(meta)} ${meta.upstream}`;
}

/** What is particular to an intent, as JSON. */
export function serializeIntent(intent: Intent): string {
  const { upstream: _upstream, by: _by, at: _at, why: _why, ...content } = intent;
  return JSON.stringify(content);
}

/** From {@link serializeIntent}'s JSON; undefined if it is not understood, which costs one intent and not the file. */
export function parseIntent(meta: IntentMeta, json: string): Intent | undefined {
  const content = asRecord(parseJson(json));
  const { kind } = content;
  if (kind === "mode") {
    const mode = modes.find((known) => known === content["mode"]);
    return mode && { ...meta, kind, mode };
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
  const place = addressIn(spec["address"]);
  const tls = tlsIn(asRecord(spec["address"])["tls"]);
  const address = place && { ...place, ...(tls && place.protocol === "https" && { tls }) };
  const weight = spec["weight"];
  if (kind !== "added" || !address || !isWeight(weight)) return undefined;
  return {
    ...meta,
    kind,
    pool,
    spec: { id: meta.upstream, address, weight, backup: spec["backup"] === true },
  };
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

/** Without authorities: files are named in the configuration alone. What is not understood is verified. */
function tlsIn(value: unknown): UpstreamTls | undefined {
  if (value === undefined) return undefined;
  const { serverName, verify } = asRecord(value);
  return { verify: verify !== false, ...(typeof serverName === "string" && { serverName }) };
}
