/** Loads acme-client on demand, and gives each of its requests a time limit, the authority's own trust and errors with a reason. */

import { AsyncLocalStorage } from "node:async_hooks";
import { Agent } from "node:https";

import type acmeClient from "acme-client";

import { systemWallClock } from "../lib/clock.ts";
import { failureOfResponse, OrderFailure, problemType } from "./failure.ts";

/** Of one order. */
export interface OrderContext {
  /** Certificates that the authority is verified with, as PEM; undefined for the system's. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
  /** The Retry-After of the last response, which says when to ask for the order's state again. */
  retryAfter?: string | undefined;
}

export type AcmeClient = typeof acmeClient;

const requestTimeoutMs = 30_000;

/** The largest response is a chain of certificates. */
const maxResponseBytes = 1_048_576;

let loading: Promise<AcmeClient> | undefined;

/** It and what it imports take a third of a second and some memory to load, which only programs with ACME should pay for. */
export function loadAcmeClient(userAgent: string): Promise<AcmeClient> {
  loading ??= import("acme-client").then((loaded) => {
    prepare(loaded, userAgent);
    return loaded;
  });
  return loading;
}

const contexts = new AsyncLocalStorage<OrderContext>();

/** Requests of acme-client that `task` causes have this context. */
export function inContext<Result>(context: OrderContext, task: () => Promise<Result>): Promise<Result> {
  return contexts.run(context, task);
}

/**
 * The library repeats failed requests itself, for up to five times Retry-After, and loses the reason. So each request is
 * made once, and an error of an adapter reaches the caller as it is.
 */
function prepare({ axios }: AcmeClient, userAgent: string): void {
  const bare = axios.create({
    adapter: "http",
    timeout: requestTimeoutMs,
    maxContentLength: maxResponseBytes,
    // A redirect would lead the signed request to where its signature is not valid (RFC 8555 section 6.4).
    maxRedirects: 0,
  });
  Object.assign(axios.defaults, { acmeSettings: { retryMaxAttempts: 0 } });
  axios.defaults.adapter = async (config) => {
    const context = contexts.getStore();
    const { url = "", method = "get", data } = config as { url?: string; method?: string; data?: unknown };
    const headers = { ...config.headers.toJSON(), "User-Agent": userAgent };
    const agent = context?.ca === undefined ? {} : { httpsAgent: new Agent({ ca: context.ca }) };
    const { signal } = context ?? {};
    const request = { url, method, data, headers, ...agent, ...(signal && { signal }) };
    const response = await bare
      .request({ ...request, validateStatus: () => true, transformRequest: [] })
      .catch((error: unknown) => {
        throw new OrderFailure("unreachable", describeNetworkError(error, url));
      });
    const retryAfter = response.headers["retry-after"];
    const given = typeof retryAfter === "string" ? retryAfter : undefined;
    if (context) context.retryAfter = given;
    const { status, data: body } = response;
    const isRetriedByLibrary = status === 400 && problemType(body) === "badNonce";
    if (status < 300 || isRetriedByLibrary) return { ...response, config };
    throw failureOfResponse({ status, body, retryAfter: given }, systemWallClock());
  };
}

/** Never the error itself: it has the request in it. */
function describeNetworkError(error: unknown, url: string): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  const host = URL.canParse(url) ? new URL(url).host : "";
  const text = code === "ECONNABORTED" ? `no answer within ${requestTimeoutMs / 1_000} s` : message || code;
  return host === "" ? text : `${host}: ${text}`;
}
