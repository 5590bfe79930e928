import { expect, test } from "bun:test";

import { childEnvironmentOf } from "../../src/runtime/child-environment.ts";

const namesOf = (variables: Record<string, string>, traces = false) =>
  Object.keys(childEnvironmentOf(variables, traces)).toSorted();

test("a child inherits what it needs to run, and no secret", () => {
  const needed = {
    PATH: "/bin",
    HOME: "/",
    LC_ALL: "C",
    TZ: "UTC",
    BUN_OPTIONS: "--smol",
    NODE_EXTRA_CA_CERTS: "/ca",
  };
  const secrets = {
    ADMIN_TOKEN: "t",
    AWS_SECRET_ACCESS_KEY: "s",
    DATABASE_URL: "postgres://u:p@db",
    DENO_AUTH_TOKENS: "t@h",
    NODE_AUTH_TOKEN: "t",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=t",
    HTTPS_PROXY: "http://u:p@proxy",
    PASSWORD: "p",
  };
  expect(namesOf({ ...needed, ...secrets })).toEqual(["EVENKEEL_PARENT", ...Object.keys(needed)].toSorted());
});

test("a child that exports spans also inherits the exporter's variables", () => {
  const exporter = {
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=t",
    https_proxy: "http://proxy",
    ADMIN_TOKEN: "t",
  };
  expect(namesOf(exporter, true)).toEqual(["EVENKEEL_PARENT", "OTEL_EXPORTER_OTLP_HEADERS", "https_proxy"]);
});
