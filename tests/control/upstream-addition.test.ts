import { expect, test } from "bun:test";

import { parseNewUpstream } from "../../src/control/upstream-addition.ts";
import { configOf } from "../support/configs.ts";

const wanted = configOf("main: a", {}, { upstreamTls: { ca: "PEM", caPath: "/ca", verify: false } });
const read = (given: object) => parseNewUpstream(given, wanted, "main");

test("a newcomer keeps what it says of TLS, and follows its pool in the rest", () => {
  expect(read({ url: "https://n" })).toMatchObject({
    address: { protocol: "https", hostname: "n", port: 443 },
  });
  expect(read({ url: "https://n" })).not.toHaveProperty("address.tls");
  expect(read({ url: "https://n", tls: { serverName: "a.b" } })).toHaveProperty("address.tls", {
    ...{ serverName: "a.b", verify: false },
  });
  expect(read({ url: "https://n", tls: { verify: true } })).toHaveProperty("address.tls", { verify: true });
});

test.each([
  [
    { url: "https://n", tls: { ca: "/etc/shadow" } },
    "Cannot use tls.ca: only the configuration file can name certificate files. Use upstreamTls of the pool.",
  ],
  [{ url: "http://n", tls: { verify: false } }, "Cannot use tls with http://n: the URL must be https."],
])("a newcomer that cannot be judged so is refused: %j", (given, message) =>
  expect(read(given)).toMatchObject({ status: 422, message }),
);
