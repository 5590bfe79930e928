import { expect, test } from "bun:test";

import { parseNewUpstream } from "../../src/control/upstream-addition.ts";
import { configOf } from "../support/configs.ts";

const config = configOf("main: a", {}, { upstreamTls: { ca: "PEM", caPath: "/ca", verify: false } });
const parse = (body: object) => parseNewUpstream(body, config, "main");

test("a new upstream keeps its own TLS settings, and uses the pool's for the rest", () => {
  expect(parse({ url: "https://n" })).toMatchObject({
    address: { protocol: "https", hostname: "n", port: 443 },
  });
  expect(parse({ url: "https://n" })).not.toHaveProperty("address.tls");
  expect(parse({ url: "https://n", tls: { serverName: "a.b" } })).toHaveProperty("address.tls", {
    serverName: "a.b",
    verify: false,
  });
  expect(parse({ url: "https://n", tls: { verify: true } })).toHaveProperty("address.tls", { verify: true });
});

test.each([
  [
    { url: "https://n", tls: { ca: "/etc/shadow" } },
    "Cannot use tls.ca: only the configuration file can name certificate files. Use upstreamTls of the pool.",
  ],
  [{ url: "http://n", tls: { verify: false } }, 'Cannot use tls: the URL must be https (it is "http://n").'],
])("a new upstream with unusable TLS settings is refused: %j", (body, message) =>
  expect(parse(body)).toMatchObject({ status: 422, message }),
);
