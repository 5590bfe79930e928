/** What each balancer of a fleet tells the others once a second: whole, so that a lost one does no harm. */

import { asRecord, parseJson } from "../lib/json.ts";
import { isWebUrl } from "../lib/web-url.ts";
import { type AlertReport, readAlertReport } from "./alert-report.ts";

export interface PeerReport {
  /** Random name of the process: two with the same name of a balancer are a mistake. */
  readonly instance: string;
  readonly version: string;
  /** Digest of pools and routes as configured. */
  readonly configuration: string;
  /** Digests of the parts of the configuration, by name. Empty from a version that does not tell. */
  readonly parts: Readonly<Record<string, string>>;
  /** Digests of the ids of its upstreams, by pool. Empty from a version that does not tell. */
  readonly pools: Readonly<Record<string, string>>;
  /** Digest of modes and weights of its upstreams; empty from a version that does not tell. */
  readonly settings: string;
  /** Epoch milliseconds by the balancer's own clock. */
  readonly startedAt: number;
  /** Where people reach its dashboard; empty if it has not said. */
  readonly url: string;
  /** The commit that it follows. */
  readonly nonce: string;
  /** Client requests in flight. */
  readonly inFlight: number;
  /** Of the last 10 s. */
  readonly requestsPerSecond: number;
  /** Errors ÷ requests of the last 10 s, 0–1. */
  readonly errorShare: number;
  /** Open problems. */
  readonly problems: { readonly critical: number; readonly warning: number };
  /** Upstreams that are not passing or have an open problem, by id, worst first. All others of its pools pass. */
  readonly upstreams: Readonly<Record<string, SeenUpstream>>;
  /** Upstreams that are left out of `upstreams`, for their number. */
  readonly omitted: number;
  /** Upstreams that it drains or has in maintenance, by id. */
  readonly drains: Readonly<Record<string, SeenDrain>>;
  /** Empty from a version that does not tell. */
  readonly alerts: AlertReport;
}

/** An upstream as one balancer sees it. Verdicts are observations: they are shown to others, and count only where they were made. */
export interface SeenUpstream {
  readonly status: string;
  readonly inFlight: number;
  /** Kind of an open problem of this upstream. */
  readonly problem?: string;
}

export interface SeenDrain {
  /** Id of the order that it follows. */
  readonly order: string;
  readonly inFlight: number;
}

/** Upstreams, drains and pools in a report. More are left out. */
export const maxReported = 500;
const maxReportLength = 131_072;
const maxTextLength = 256;

/** Of many upstreams with long names, as many as the length allows. */
export function serializeReport(report: PeerReport): string {
  const count = Object.keys(report.upstreams).length;
  const [drains, pools] = [firstOf(report.drains, maxReported), firstOf(report.pools, maxReported)];
  for (let limit = maxReported; ; limit = Math.floor(limit / 2)) {
    const upstreams = firstOf(report.upstreams, limit);
    const omitted = Math.max(0, count - limit);
    const text = JSON.stringify({ ...report, pools, upstreams, omitted, drains });
    if (text.length <= maxReportLength) return text;
    // Without pools nothing can be said about what is not listed.
    if (limit === 0) return JSON.stringify({ ...report, pools: {}, upstreams, omitted, drains: {} });
  }
}

function firstOf<Value>(
  map: Readonly<Record<string, Value>>,
  limit: number,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(map).slice(0, limit));
}

/** Undefined for anything else: others may write to the store too. */
export function parseReport(text: string): PeerReport | undefined {
  if (text.length > maxReportLength) return undefined;
  const found = asRecord(parseJson(text));
  const textAt = (key: string) => {
    const value = found[key];
    return typeof value === "string" && value.length <= maxTextLength ? value : undefined;
  };
  const numberAt = (key: string) => countOf(found[key]);
  const textsAt = (key: string) =>
    mapOf(found[key], (value) =>
      typeof value === "string" && value.length <= maxTextLength ? value : undefined,
    );
  const [instance, version, configuration] = [textAt("instance"), textAt("version"), textAt("configuration")];
  const [url, nonce] = [textAt("url"), textAt("nonce")];
  if (instance === undefined || version === undefined || configuration === undefined) return undefined;
  if (url === undefined || nonce === undefined) return undefined;
  return {
    ...{ instance, version, configuration, nonce },
    // It becomes a link.
    url: isWebUrl(url) ? url : "",
    startedAt: numberAt("startedAt"),
    inFlight: numberAt("inFlight"),
    requestsPerSecond: numberAt("requestsPerSecond"),
    errorShare: Math.min(1, numberAt("errorShare")),
    parts: textsAt("parts"),
    pools: textsAt("pools"),
    settings: textAt("settings") ?? "",
    problems: {
      critical: countOf(asRecord(found["problems"])["critical"]),
      warning: countOf(asRecord(found["problems"])["warning"]),
    },
    upstreams: mapOf(found["upstreams"], seenUpstreamIn),
    omitted: numberAt("omitted"),
    drains: mapOf(found["drains"], (value) => {
      const { order, inFlight } = asRecord(value);
      return typeof order === "string" && order.length <= maxTextLength
        ? { order, inFlight: countOf(inFlight) }
        : undefined;
    }),
    alerts: readAlertReport(found["alerts"]),
  };
}

function seenUpstreamIn(value: unknown): SeenUpstream | undefined {
  const { status, inFlight, problem } = asRecord(value);
  if (typeof status !== "string" || status.length > maxTextLength) return undefined;
  const hasProblem = typeof problem === "string" && problem.length <= maxTextLength;
  return { status, inFlight: countOf(inFlight), ...(hasProblem && { problem }) };
}

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
}

function mapOf<Value>(
  value: unknown,
  read: (inside: unknown) => Value | undefined,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(asRecord(value))
      .slice(0, maxReported)
      .flatMap(([key, inside]) => {
        const found = key.length <= maxTextLength ? read(inside) : undefined;
        return found === undefined ? [] : [[key, found] as const];
      }),
  );
}
