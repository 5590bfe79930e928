import { describe, expect, test } from "bun:test";

import { defaults } from "../../src/config/config.ts";
import { desiredConfig } from "../../src/control/desired-state.ts";
import { toConfigFile } from "../../src/config/to-file.ts";
import { parsed, problemsOf } from "../cli/fake.ts";

const files = (text: string) => ({ "evenkeel.yaml": text });
const resolved = (text: string) => parsed("proxy", { argv: "proxy", files: files(text) });
const problemsIn = (text: string) => problemsOf({ argv: "proxy", files: files(text) });
const poolIn = (text: string) => resolved(text).config.pools[0];

const speaking = (text: string) => poolIn(text)?.upstreams.map(({ address }) => address.http2 ?? false);

describe("http2", () => {
  test("of a pool counts for its upstreams, unless they say otherwise", () => {
    const upstreams = "upstreams: [http://a, { url: http://b, http2: false }, http://c;http2, https://d]";
    expect(speaking(`pools: { main: { http2: true, ${upstreams} } }`)).toEqual([true, false, true, true]);
    expect(speaking(`pools: { main: { ${upstreams} } }`)).toEqual([false, false, true, false]);
  });

  test("is written to a file as it was read", () => {
    const text =
      "pools: { main: { http2: true, probe: { grpc: a.B }, upstreams: [http://a, { url: http://b, http2: false }] } }";
    const { config } = resolved(text);
    const again = resolved(JSON.stringify(toConfigFile({ config, dashboard: defaults.dashboard }))).config;
    expect(again).toEqual(config);
  });

  test("of a pool counts for upstreams that were added to it", () => {
    const { config } = resolved("pools: { main: { http2: true, upstreams: [http://a] } }");
    const added = (http2?: boolean) => ({
      kind: "added" as const,
      by: "ann",
      at: 1,
      why: "",
      upstream: "b",
      pool: "main",
      spec: {
        id: "b",
        address: {
          protocol: "http" as const,
          hostname: "b",
          port: 80,
          ...(http2 !== undefined && { http2 }),
        },
        weight: 1,
        backup: false,
      },
    });
    const protocolOf = (http2?: boolean) =>
      desiredConfig(config, [added(http2)]).pools[0]?.upstreams.find(({ id }) => id === "b")?.address.http2;
    expect([protocolOf(), protocolOf(true), protocolOf(false)]).toEqual([true, true, false]);
  });

  test.each([
    ["pools: { main: { http2: true, upstreams: [http://a] } }", "pools.main.http2 at evenkeel.yaml:2:25"],
    [
      "pools: { main: { upstreams: [{ url: http://a, http2: true }] } }",
      "pools.main.upstreams[0].http2 at evenkeel.yaml:2:54",
    ],
  ])("is refused with the fetch engine: %s", (text, place) => {
    const why = "the fetch engine speaks HTTP/1.1 to upstreams; leave http2 out, or use the wire engine";
    expect(problemsIn(`engine: fetch\n${text}`)).toEqual([`Cannot use ${place}: ${why} (received true).`]);
    expect(problemsIn(`engine: fetch\n${text.replace("true", "false")}`)).toEqual([]);
  });
});

describe("probe.grpc", () => {
  const probeIn = (probe: string) =>
    poolIn(`pools: { main: { upstreams: [http://a], probe: ${probe} } }`)?.probe;

  test("asks for the server, or for a service", () => {
    expect(probeIn("{ grpc: true }")).toMatchObject({ kind: "grpc", service: "" });
    expect(probeIn("{ grpc: shop.Cart }")).toMatchObject({ kind: "grpc", service: "shop.Cart" });
    expect(probeIn("{ grpc: false }")).toMatchObject({ kind: "tcp" });
  });

  test("stands beside no path", () =>
    expect(problemsIn("pools: { main: { upstreams: [http://a], probe: { path: /x, grpc: true } } }")).toEqual(
      [
        "Cannot use pools.main.probe.grpc at evenkeel.yaml:1:66: a probe is either a GET of path or a call of the gRPC " +
          "health service; leave one of them out (received true).",
      ],
    ));

  test("is true or a name", () =>
    expect(problemsIn("pools: { main: { upstreams: [http://a], probe: { grpc: 3 } } }")).toEqual([
      "Cannot use pools.main.probe.grpc at evenkeel.yaml:1:56: expected true, or the name of a service (received 3).",
    ]));
});
