import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseYaml } from "yaml";
import { editorSchema } from "../../src/config/schema.ts";
import { problemsOf } from "../cli/fake.ts";

const published: unknown = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../public/evenkeel.schema.json"), "utf8"),
);

test("the published JSON Schema is up to date (if not: bun tests/config/write-schema.ts)", () =>
  expect(published).toEqual(editorSchema()));

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly minProperties?: number;
  readonly items?: JsonSchema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean;
}

/** The part of JSON Schema that our schema uses, written from the specification and not from our library. */
function accepts(schema: JsonSchema, value: unknown): boolean {
  if (schema.anyOf) return schema.anyOf.some((variant) => accepts(variant, value));
  if (schema.const !== undefined && schema.const !== value) return false;
  if (schema.enum && !schema.enum.includes(value)) return false;
  switch (schema.type) {
    case "string":
      return (
        typeof value === "string" &&
        value.length >= (schema.minLength ?? 0) &&
        new RegExp(schema.pattern ?? "", "u").test(value)
      );
    case "boolean":
      return typeof value === "boolean";
    case "integer":
    case "number":
      return (
        typeof value === "number" &&
        (schema.type === "number" || Number.isInteger(value)) &&
        value >= (schema.minimum ?? -Infinity) &&
        value <= (schema.maximum ?? Infinity)
      );
    case "array":
      return (
        Array.isArray(value) &&
        value.length >= (schema.minItems ?? 0) &&
        value.every((item) => accepts(schema.items ?? {}, item))
      );
    case "object":
      return acceptsMap(schema, value);
    default:
      throw new Error(`Cannot check a schema of type ${schema.type}`);
  }
}

function acceptsMap(schema: JsonSchema, value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  if (entries.length < (schema.minProperties ?? 0)) return false;
  if (schema.required?.some((key) => !Object.hasOwn(value, key))) return false;
  return entries.every(([key, inside]) => {
    const byPattern = Object.entries(schema.patternProperties ?? {}).find(([pattern]) =>
      new RegExp(pattern, "u").test(key),
    );
    const inner = schema.properties?.[key] ?? byPattern?.[1];
    return inner ? accepts(inner, inside) : schema.additionalProperties !== false;
  });
}

const inPool = (text: string) => `pools: { main: { upstreams: [http://u], ${text} } }`;

test.each([
  "$schema: x",
  "listen: { port: 80, host: '::' }",
  "listen: { maxClients: 1 }",
  "engine: fetch",
  "workers: 64",
  "workers: auto",
  "admin: { port: 1, host: 0.0.0.0, token: t }",
  "state: ':memory:'",
  "drainTimeout: 0",
  "drainTimeout: '0'",
  "drainTimeout: 1.5h",
  "clientTimeouts: { head: 1s, bodyIdle: 1ms, keepAlive: 1m }",
  "limits: { requestHead: 1KiB, requestFields: 16, requestTarget: 1KiB, responseHead: 1MiB, responseFields: 1024 }",
  "limits: { webSocketMessage: 1GiB, webSocketBuffers: 2GiB }",
  "trustedProxies: [10.0.0.0/8, '::1']",
  "tracing: { endpoint: 'http://localhost:4318' }",
  "tracing: { endpoint: 'https://collector.example/a@b/' }",
  "dashboard: { port: 1, host: localhost }",
  inPool("policy: p2c"),
  inPool("hashBy: header:X-User"),
  inPool("retries: 0"),
  inPool("retryStatuses: [502, 503, 504], retryBudget: { share: 0, perSecond: 0 }"),
  inPool("queue: { maxWaiting: 0, timeout: 1s, whenNoneFit: true }"),
  inPool("maxInFlight: 1, maxRequestBody: 0B, slowStart: 0"),
  inPool("maxRequestBody: 1.5GiB, slowStart: 2m"),
  inPool(
    "outlier: { consecutiveFailures: 1, failureRatio: 1, minimumVolume: 1, window: 1s, ejection: 1s, maxEjection: 1h, maxEjected: 0 }",
  ),
  inPool(
    "probe: { path: /a?b, interval: 1s, changingInterval: 1s, jitter: 0, timeout: 1s, rise: 1, fall: 1 }",
  ),
  inPool("timeouts: { connect: 1s, head: 1s, bodyIdle: 1s, tunnelIdle: 1s, connectionAge: 1h }"),
  inPool("timeouts: { total: 0, connectionAge: 0 }"),
  "pools: { a: { upstreams: [HTTP://A:1/;weight=3;backup;name=x, { url: 'https://[::1]', weight: 0, backup: true, name: a-b }] } }",
  inPool("upstreamTls: { serverName: a.b, verify: false }"),
  "pools: { a: { upstreams: [{ url: https://u, tls: { serverName: api.internal, verify: true } }] } }",
  "routes: [{ host: '*.a.b', path: /x, pool: main }, { pool: main }]",
  "routes: [{ respond: { retryAfter: 0 }, cors: { origins: [https://a.b], maxAge: 0 } }, { path: /x, respond: { retryAfter: 10m } }]",
])("editors accept what the parser accepts: %s", (text) => {
  expect(problemsOf({ argv: "check", files: { "evenkeel.yaml": text } })).toEqual([]);
  expect(accepts(published as JsonSchema, parseYaml(text))).toBe(true);
});

test.each([
  "listen: { prot: 80 }",
  "listen: { port: 65536 }",
  "listen: { maxClients: 0 }",
  "listen: { tls: { cert: [] } }",
  "pools: { a: { upstreams: [{ url: https://u, tls: { verify: maybe } }] } }",
  "engine: fecth",
  "workers: 0",
  "workers: many",
  "clientTimeouts: { head: 10 }",
  "limits: { requestHead: 64 }",
  "pools: {}",
  "pools: { 1a: { upstreams: [http://u] } }",
  "pools: { a: { policy: p2c } }",
  "pools: { a: { upstreams: [u] } }",
  "pools: { a: { upstreams: [{ url: u }] } }",
  inPool("policy: p3c"),
  inPool("hashBy: ip"),
  inPool("retryStatuses: [500]"),
  inPool("retryBudget: { share: 2 }"),
  inPool("maxInFlight: 0"),
  inPool("queue: { maxWaiting: -1 }"),
  inPool("maxRequestBody: 10m"),
  inPool("outlier: { maxEjected: 2 }"),
  "routes: [{ host: a, pool: 1 }]",
])("editors reject what the parser rejects: %s", (text) => {
  expect(problemsOf({ argv: "check", files: { "evenkeel.yaml": text } })).not.toEqual([]);
  expect(accepts(published as JsonSchema, parseYaml(text))).toBe(false);
});
