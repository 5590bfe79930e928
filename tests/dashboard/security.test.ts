import { describe, expect, test } from "bun:test";
import { refusalOf } from "../../src/dashboard/security.ts";

function ask(method: string, headers: Record<string, string>, onLoopback = true): number | undefined {
  const request = new Request("http://localhost:8090/", { method, headers });
  return refusalOf(request, { onLoopback })?.status;
}

describe("a dashboard on loopback", () => {
  const hosts: ReadonlyArray<readonly [host: string, status: number | undefined]> = [
    ["localhost", undefined],
    ["localhost:8090", undefined],
    ["LOCALHOST:8090", undefined],
    ["evenkeel.localhost:8090", undefined],
    ["127.0.0.1:8090", undefined],
    ["127.8.9.1", undefined],
    ["[::1]:8090", undefined],
    ["example.com:8090", 403],
    ["127.0.0.1.example.com", 403],
    ["localhost.example.com", 403],
    ["192.0.2.1:8090", 403],
    ["", 403],
  ];
  for (const [host, status] of hosts) {
    test(`${status === undefined ? "serves" : "refuses"} Host "${host}"`, () =>
      expect(ask("GET", { host })).toBe(status));
  }
});

test("a dashboard on another address serves any Host", () =>
  expect(ask("GET", { host: "lb.example.com" }, false)).toBeUndefined());

test("a dashboard does not serve the clients of the balancer in its process", () => {
  const statusOf = (via: string) =>
    refusalOf(new Request("http://localhost:8090/", { headers: { host: "localhost", via } }), {
      onLoopback: true,
      viaName: "evenkeel-1",
    })?.status;
  expect(statusOf("1.1 evenkeel-1")).toBe(403);
  expect(statusOf("1.1 evenkeel-2")).toBeUndefined();
});

test.each(["/upstreams/%E0%A4%A", "/%", "/requests/%zz"])(
  "a path that cannot be decoded is refused: %s",
  (path) => {
    const request = new Request(`http://localhost:8090${path}`, { headers: { host: "localhost:8090" } });
    expect(refusalOf(request, { onLoopback: true })?.status).toBe(400);
  },
);

describe("a write", () => {
  const host = "localhost:8090";
  const table: ReadonlyArray<
    readonly [name: string, headers: Record<string, string>, status: number | undefined]
  > = [
    ["from our own page is served", { "sec-fetch-site": "same-origin", origin: `http://${host}` }, undefined],
    ["from an old browser on our own page is served", { origin: `http://${host}` }, undefined],
    [
      "from a foreign page is refused",
      { "sec-fetch-site": "cross-site", origin: "https://example.com" },
      403,
    ],
    [
      "from another port of this machine is refused",
      { "sec-fetch-site": "same-site", origin: "http://localhost:3000" },
      403,
    ],
    ["from another port is refused without Sec-Fetch-Site", { origin: "http://localhost:3000" }, 403],
    ["from an opaque origin is refused", { origin: "null" }, 403],
    ["from nowhere is refused", {}, 403],
    [
      "that is longer than any form is refused",
      { "sec-fetch-site": "same-origin", "content-length": "1000000" },
      413,
    ],
  ];
  for (const [name, headers, status] of table) {
    test(name, () => expect(ask("POST", { host, "content-length": "10", ...headers })).toBe(status));
  }

  test("of unknown length is refused", () =>
    expect(ask("POST", { host, "sec-fetch-site": "same-origin" })).toBe(411));
});
