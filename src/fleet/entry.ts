/** What the balancers of a fleet share about one aspect of one upstream: the order that stands, and what is known of others. */

import { randomBytes } from "node:crypto";

import { areStrings, asArray, asRecord, isRecord, parseJson } from "../lib/json.ts";
import {
  type Aspect,
  aspectOf,
  type Intent,
  intentKey,
  type IntentMeta,
  type IntentRemoval,
  parseIntent,
  serializeIntent,
} from "../state/intent.ts";

/** An operator's intent, or its withdrawal. */
export type Order = Intent | (IntentRemoval & IntentMeta);

export interface Entry {
  /** Random name of the order. */
  readonly id: string;
  /** Ids of orders that this one came after or won against, newest first. */
  readonly past: readonly string[];
  /** The balancer where the order was given. */
  readonly peer: string;
  readonly order: Order;
  /**
   * Orders that lost against this one, or one before it, without having known of it; newest first. They stay with later orders, so
   * that a balancer that was away learns of them too.
   */
  readonly aside: readonly AsideOrder[];
}

/** An order that was set aside: what events say of it. */
export interface AsideOrder {
  readonly id: string;
  readonly peer: string;
  readonly by: string;
  /** "ready", "weight 5", "added" … */
  readonly what: string;
}

/** An entry of this balancer. */
export interface LocalEntry extends Entry {
  /** Not in the store yet, as far as is known. */
  readonly isPending: boolean;
}

export const maxPast = 24;
const maxAside = 8;

/** Limits on what others may have written. Longest of ours: 24 ids, 8 orders set aside, and a reason of 500 characters. */
const [maxEntryLength, maxTextLength, maxReasonLength] = [8_192, 256, 1_024];

/** The last time that a date can have, in milliseconds: ECMA-262 section 21.4.1.1. */
const maxDateMs = 8.64e15;

/** 72 bits: two of a million orders are the same with a probability below 1e-9. */
export function newOrderId(): string {
  return randomBytes(9).toString("base64url");
}

/** @param before what this balancer knows of the same key */
export function entryFor(order: Order, peer: string, before: Entry | undefined): LocalEntry {
  const past = before ? [before.id, ...before.past].slice(0, maxPast) : [];
  return { id: newOrderId(), past, peer, order, aside: before?.aside ?? [], isPending: true };
}

/** The winner of two entries whose orders did not know of each other. */
export function withAside(winner: Entry, loser: Entry): Entry {
  const { id, order, peer } = winner;
  const past = new Set([loser.id, ...winner.past, ...loser.past]);
  past.delete(id);
  const lost = { id: loser.id, peer: loser.peer, by: loser.order.by, what: describeOrder(loser.order) };
  const aside = [...(isSameOrder(order, loser.order) ? [] : [lost]), ...winner.aside, ...loser.aside];
  const once = new Map(aside.toReversed().map((one) => [one.id, one])).values();
  return {
    ...{ id, peer, order },
    past: [...past].slice(0, maxPast),
    aside: [...once].toReversed().slice(0, maxAside),
  };
}

/** The entry with what another one of the same line knows; the entry itself if that adds nothing, or nothing has room. */
export function withPastOf(entry: Entry, other: Entry): Entry {
  const ids = new Set([...entry.past, ...other.past]);
  ids.delete(entry.id);
  const past = [...ids].slice(0, maxPast);
  const known = new Set(entry.aside.map(({ id }) => id));
  const aside = [...entry.aside, ...other.aside.filter(({ id }) => !known.has(id))].slice(0, maxAside);
  const isLarger = past.length > entry.past.length || aside.length > entry.aside.length;
  return isLarger ? { ...entry, past, aside } : entry;
}

/** "draining", "weight 5", "removed", "mode as configured" */
export function describeOrder(order: Order): string {
  switch (order.kind) {
    case "mode":
      return order.mode;
    case "weight":
      return `weight ${order.weight}`;
    case "forgotten":
      return `${order.aspect} as configured`;
    default:
      return order.kind;
  }
}

/** Whether both ask for the same. Who gave them and when does not count. */
export function isSameOrder(left: Order, right: Order): boolean {
  return contentOf(left) === contentOf(right);
}

function contentOf(order: Order): string {
  return order.kind === "forgotten" ? '{"kind":"forgotten"}' : serializeIntent(order);
}

/** "mode api-1": the field of the entry in the store. */
export function entryKey({ order }: Entry): string {
  return intentKey(order);
}

export function serializeEntry({ id, past, peer, order, aside }: Entry): string {
  const { by, at, why } = order;
  const content: unknown = JSON.parse(contentOf(order));
  return JSON.stringify({ id, past, peer, by, at, why, aside, order: content });
}

const isId = (value: unknown): value is string => typeof value === "string" && /^[\w-]{8,32}$/.test(value);
const isText = (value: unknown, maxLength = maxTextLength): value is string =>
  typeof value === "string" && value.length <= maxLength;

/** Reads the JSON of {@link serializeEntry}. Undefined for anything else: the store is shared, and others may write to it. */
export function parseEntry(key: string, json: string): Entry | undefined {
  if (json.length > maxEntryLength) return undefined;
  const { id, past, peer, by, at, why, aside, order: content } = asRecord(parseJson(json));
  if (!isId(id) || !areStrings(past) || past.length > maxPast || !past.every(isId)) return undefined;
  if (!isText(peer) || peer === "" || !isText(by) || !isText(why, maxReasonLength)) return undefined;
  if (typeof at !== "number" || !(Math.abs(at) <= maxDateMs)) return undefined;
  const asideOrders = asArray(aside).filter(isAsideOrder);
  if (asideOrders.length !== asArray(aside).length || asideOrders.length > maxAside) return undefined;
  const order = orderIn(key, { by, at, why }, content);
  return order && { id, past, peer, order, aside: asideOrders };
}

function isAsideOrder(value: unknown): value is AsideOrder {
  if (!isRecord(value)) return false;
  const { id, peer, by, what } = value;
  return isId(id) && isText(peer) && isText(by) && isText(what);
}

const aspects: readonly Aspect[] = ["mode", "weight", "member"];

function orderIn(key: string, meta: Omit<IntentMeta, "upstream">, content: unknown): Order | undefined {
  const [name = "", ...rest] = key.split(" ");
  const aspect = aspects.find((known) => known === name);
  const upstream = rest.join(" ");
  if (aspect === undefined || upstream === "" || !isText(upstream)) return undefined;
  if (asRecord(content)["kind"] === "forgotten") return { kind: "forgotten", upstream, aspect, ...meta };
  const intent = parseIntent({ upstream, ...meta }, JSON.stringify(content));
  return intent && aspectOf(intent) === aspect ? intent : undefined;
}
