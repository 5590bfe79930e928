/** A request record of a successful exchange; tests change the fields that they are about. */

import type { AttemptRecord, EndedExchange, RequestRecord } from "../../src/proxy/record.ts";

export const completedAttempt: AttemptRecord = {
  upstream: "api-1",
  startMs: 0,
  connectMs: null,
  headMs: 20,
  endMs: 30.5,
  status: 200,
  outcome: "response",
  phase: null,
  reason: null,
  rehearsed: false,
};

export const refusedAttempt: AttemptRecord = {
  upstream: "api-2",
  startMs: 0,
  connectMs: null,
  headMs: null,
  endMs: 1,
  status: 0,
  outcome: "failure",
  phase: "connect",
  reason: "connect_refused",
  rehearsed: false,
};

export const goodRecord: RequestRecord = {
  requestId: "r-1",
  clientAddress: "192.0.2.1",
  peerAddress: "192.0.2.1",
  matchedPath: null,
  filter: null,
  route: "routes[0]",
  routeConditions: null,
  user: null,
  scheme: "http",
  listener: "main",
  protocol: "http/1.1",
  status: 200,
  bytesIn: 90,
  bytesOut: 512,
  isClientGone: false,
  at: Date.UTC(2026, 10, 24, 0, 12, 30, 250),
  durationMs: 30.5,
  method: "GET",
  target: "/cart?item=7",
  host: "shop.example",
  pool: "shop",
  key: null,
  reason: null,
  complaint: null,
  notRetried: null,
  retried: [],
  queuedMs: 0,
  attempts: [completedAttempt],
  choices: [],
  traceId: null,
};

/** The form in which sinks receive a record. */
export function endedWith(record: RequestRecord): EndedExchange {
  return { ...record, userAgent: null, referer: null, record };
}
