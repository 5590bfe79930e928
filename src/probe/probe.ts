/** One probe of one upstream: a TCP connect, an HTTP GET, or a call of the gRPC health service. */

import type { Clock } from "../lib/clock.ts";
import { concernsAllHosts, exhaustion } from "../lib/exhaustion.ts";
import { formatDuration } from "../lib/units.ts";
import { type Address, authorityOf, certifiedName, originAt, speaksHttp2 } from "../net/address.ts";
import { ownProxyHeader, type ProxyVersion } from "../net/proxy-protocol.ts";
import type { Endpoints } from "../net/endpoints.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { healthCheck, healthIn } from "./grpc-health.ts";

/** How a pool's upstreams are probed; times in milliseconds. */
export interface ProbePlan {
  readonly kind: "tcp" | "http" | "grpc";
  /** Path and query of the GET; present for `http`. */
  readonly path?: string;
  /** The gRPC service whose health is asked for; empty for the server. Present for `grpc`. */
  readonly service?: string;
  /** Version of the PROXY header with which a probe begins, as a connection of the balancer itself. */
  readonly proxyProtocol?: ProxyVersion;
  readonly intervalMs: number;
  /** Used instead of the interval while the verdict is about to change; urgent probes grow up to it. */
  readonly changingIntervalMs: number;
  /** Each wait is random in interval × (1 ± jitter), so that peers do not probe in step. 0–1. */
  readonly jitter: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
}

/** "GET /readyz every 5s" */
export function describePlan({ kind, path, service, intervalMs }: ProbePlan): string {
  const what = { tcp: "TCP connect", http: `GET ${path}`, grpc: `gRPC health ${service}`.trimEnd() };
  return `${what[kind]} every ${formatDuration(intervalMs)}`;
}

export interface ProbeResult {
  readonly success: boolean;
  /** The result for people: "status 200", "connection refused". */
  readonly detail: string;
  readonly latencyMs: number;
}

/** The system gave the balancer no descriptor, port or memory for the probe: it says nothing about the upstream. */
export interface UnmadeProbe {
  /** The system's error code. */
  readonly exhausted: string;
}

/** The part of an upstream that a probe needs. */
export interface ProbedServer {
  readonly address: Address;
  readonly endpoints: Endpoints;
}

export type Probe = (server: ProbedServer, plan: ProbePlan) => Promise<ProbeResult | UnmadeProbe>;

type ProbingRuntime = Pick<Runtime, "dial" | "probeHttp" | "requestHttp2">;

/** A probe that never rejects: an error is its result. */
export function probeWith(runtime: ProbingRuntime, clock: Clock): Probe {
  return async (server, plan) => {
    const startedAt = clock();
    const result = await inTurn(server, (host) => check(runtime, server.address, { host, plan })).catch(
      (error: unknown) => ({ success: false, detail: describe(error) }),
    );
    if ("exhausted" in result) {
      exhaustion.count(result.exhausted);
      return result;
    }
    // The name may have moved to another server.
    if (!result.success) server.endpoints.suspect();
    return { ...result, latencyMs: clock() - startedAt };
  };
}

type ProbeOutcome = Pick<ProbeResult, "success" | "detail">;

/** A name with several addresses is up if one of them is: connects pass over the others. */
const maxTries = 3;

/** Probes the addresses of the name in turn until one responds. Rejects with the last error. */
async function inTurn(
  { endpoints }: ProbedServer,
  probe: (host: string) => Promise<ProbeOutcome>,
): Promise<ProbeOutcome | UnmadeProbe> {
  const tried: string[] = [];
  for (;;) {
    const host = endpoints.nextExcept(tried) ?? endpoints.name;
    tried.push(host);
    try {
      const result = await probe(host);
      endpoints.worked(host);
      return result;
    } catch (error) {
      const exhausted = exhaustion.ownCodeOf(codeOf(error));
      if (exhausted !== undefined && concernsAllHosts(exhausted)) return { exhausted };
      endpoints.failed(host);
      if (tried.length < Math.min(endpoints.count, maxTries)) continue;
      if (exhausted !== undefined) return { exhausted };
      throw error;
    }
  }
}

async function check(
  runtime: ProbingRuntime,
  address: Address,
  { host, plan }: { readonly host: string; readonly plan: ProbePlan },
): Promise<ProbeOutcome> {
  const greeting = plan.proxyProtocol && ownProxyHeader(plan.proxyProtocol);
  if (plan.kind === "tcp") {
    await runtime.dial(host, address.port, plan.timeoutMs, greeting);
    return { success: true, detail: "connected" };
  }
  const { timeoutMs, path = "/", service = "" } = plan;
  const server = {
    timeoutMs,
    headers: { host: authorityOf(address), "user-agent": "evenkeel-probe" },
    tls: { verify: true, ...address.tls, serverName: certifiedName(address) },
  };
  const origin = originAt(address, host);
  if (plan.kind === "grpc") return healthIn(await runtime.requestHttp2(healthCheck(server, origin, service)));
  const get = { ...server, url: origin + path, ...(greeting && { greeting }) };
  const status = speaksHttp2(address)
    ? (await runtime.requestHttp2(get)).status
    : await runtime.probeHttp(get);
  return { success: status >= 200 && status < 400, detail: `status ${status}` };
}

const errorTexts: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ETIMEDOUT: "no response in time",
  ENOTFOUND: "name not found",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  EPROTO: "no TLS on this port",
  no_http2: "the server does not speak HTTP/2",
  head_invalid: "the response is not HTTP",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate signed by an untrusted authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate signed by an untrusted authority",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate signed by an untrusted authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate for another name",
  CERT_HAS_EXPIRED: "certificate expired",
};

function describe(error: unknown): string {
  const code = codeOf(error);
  return errorTexts[code] ?? (code || String(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
