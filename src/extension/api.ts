/** The public module "evenkeel": what a file of extensions imports. */

import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import { checkedField, type Field } from "../proxy/head-edit.ts";
import { type LocalReply, refusal, withoutBody } from "../proxy/refusal.ts";
import type { AlertFormat } from "./alert-format.ts";

export type { Alert, AlertFormat, AlertFormatContext, AlertMessage } from "./alert-format.ts";
export type { Policy } from "../pool/selection.ts";
export type { FilteredRequest, FilterVerdict, RequestFilter } from "../proxy/filter.ts";

/** A policy beside the ones that are built in. */
export interface ExtensionPolicy {
  /** Called for each pool that uses the policy, in each process. */
  create(options: { readonly random: Random; readonly clock: Clock }): Policy;
  /** Whether it uses the hash key of the pool's `hashBy`. */
  readonly keyed?: boolean;
}

/** What a file of extensions adds. */
export interface ExtensionConfig {
  /**
   * By the name that `filters` of a route uses.
   *
   * Each function is called for each such route, in each process, with what stands behind the name in the configuration. It may
   * throw an `Error` whose message says what is wrong there: the operator sees it.
   */
  readonly filters?: Readonly<Record<string, (settings: unknown) => Omit<RequestFilter, "name">>>;
  /** By the name that `policy: extension:NAME` of a pool uses. */
  readonly policies?: Readonly<Record<string, ExtensionPolicy>>;
  /** By the name that `format: extension:NAME` of a receiver of alerts uses. */
  readonly alertFormats?: Readonly<Record<string, AlertFormat>>;
}

/** Gives the configuration its type. A file of extensions exports the result as its default. */
export function defineConfig(config: ExtensionConfig): ExtensionConfig {
  return config;
}

export interface AnswerOptions {
  /** 200 to 599. */
  readonly status: number;
  readonly headers?: readonly Field[];
  /** Text, sent as UTF-8. */
  readonly body?: string;
}

/**
 * What a filter returns to answer a request itself. The client gets this response; the request goes to no upstream.
 * @throws for what no response may be: an extension may take it from a client
 */
export function answer({ status, headers = [], body = "" }: AnswerOptions): LocalReply {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new Error(`Cannot answer: the status must be a whole number from 200 to 599 (received ${status})`);
  if (!Array.isArray(headers)) throw new Error("Cannot answer: headers must be a list of [name, value]");
  if (typeof body !== "string") throw new Error("Cannot answer: the body must be a text");
  if (body !== "" && withoutBody.includes(status))
    throw new Error(`Cannot answer: a response of status ${status} has no body`);
  const fields = headers.map(([name, value]: Field) => checkedField(name, value));
  const hasType = fields.some(([name]) => name.toLowerCase() === "content-type");
  const type: readonly Field[] =
    hasType || body === "" ? [] : [["Content-Type", "text/plain; charset=utf-8"]];
  return { ...refusal("responded", status), reply: { headers: [...fields, ...type], body } };
}
