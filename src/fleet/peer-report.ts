/** What each balancer of a fleet tells the others once a second: whole, so that a lost one does no harm. */

import { asRecord, isRecord, parseJson } from "../lib/json.ts";

export interface PeerReport {
  /** Random name of the process: two with the same name of a balancer are a mistake. */
  readonly instance: string;
  readonly version: string;
  /** Digest of pools and routes as configured. */
  readonly configuration: string;
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
  /** Upstreams that are not simply passing and idle, by id. */
  readonly upstreams: Readonly<Record<string, SeenUpstream>>;
  /** Upstreams that it drains, by id. */
  readonly drains: Readonly<Record<string, SeenDrain>>;
}

/** An upstream as one balancer sees it. Verdicts are observations: they are shown to others, and count only where they were made. */
export interface SeenUpstream {
  readonly status: string;
  readonly inFlight: number;
}

export interface SeenDrain {
  /** Id of the order that it follows. */
  readonly order: string;
  readonly inFlight: number;
}

/** Upstreams and drains in a report. More are left out, and drains before upstreams are not. */
export const maxReported = 500;
const maxReportLength = 65_536;
const maxTextLength = 256;

export function serializeReport(report: PeerReport): string {
  const upstreams = Object.fromEntries(Object.entries(report.upstreams).slice(0, maxReported));
  const drains = Object.fromEntries(Object.entries(report.drains).slice(0, maxReported));
  const text = JSON.stringify({ ...report, upstreams, drains });
  return text.length <= maxReportLength ? text : JSON.stringify({ ...report, upstreams: {}, drains });
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
  const [instance, version, configuration] = [textAt("instance"), textAt("version"), textAt("configuration")];
  const [url, nonce] = [textAt("url"), textAt("nonce")];
  if (instance === undefined || version === undefined || configuration === undefined) return undefined;
  if (url === undefined || nonce === undefined) return undefined;
  return {
    ...{ instance, version, configuration, nonce },
    // It becomes a link.
    url: /^https?:\/\/[^\s/@]+(\/[^\s@]*)?$/.test(url) ? url : "",
    startedAt: numberAt("startedAt"),
    inFlight: numberAt("inFlight"),
    requestsPerSecond: numberAt("requestsPerSecond"),
    errorShare: Math.min(1, numberAt("errorShare")),
    upstreams: mapOf(found["upstreams"], ({ status, inFlight }) =>
      typeof status === "string" && status.length <= maxTextLength
        ? { status, inFlight: countOf(inFlight) }
        : undefined,
    ),
    drains: mapOf(found["drains"], ({ order, inFlight }) =>
      typeof order === "string" && order.length <= maxTextLength
        ? { order, inFlight: countOf(inFlight) }
        : undefined,
    ),
  };
}

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
}

function mapOf<Value>(
  value: unknown,
  read: (inside: Record<string, unknown>) => Value | undefined,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    Object.entries(asRecord(value))
      .slice(0, maxReported)
      .flatMap(([key, inside]) => {
        const found = isRecord(inside) && key.length <= maxTextLength ? read(inside) : undefined;
        return found === undefined ? [] : [[key, found] as const];
      }),
  );
}
