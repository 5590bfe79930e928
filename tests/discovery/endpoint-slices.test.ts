import { describe, expect, test } from "bun:test";

import { readEndpointSlice, sliceMembers } from "../../src/discovery/endpoint-slices.ts";
import { endpoint, slice, type SliceObject } from "../support/kubernetes-api.ts";

const template = { protocol: "http", backup: false } as const;
const serverName = "web.default.svc";

/** "10.0.0.2:80" of each member, with what is not usual, and each clause about what was left out. */
function translated(objects: readonly unknown[], port?: string | number) {
  const slices = objects.flatMap((object) => readEndpointSlice(object) ?? []);
  const { members, skipped = [] } = sliceMembers(slices, { port, template, serverName });
  return [
    ...members.map(
      ({ address, isTerminating }) =>
        `${address.hostname}:${address.port}${isTerminating ? ";terminating" : ""}`,
    ),
    ...skipped,
  ];
}

const one = (conditions: object) => slice("a", [endpoint("10.0.0.1", conditions)]);
const ports = (
  ...list: readonly (readonly [name: string | null, port: number | null, protocol?: string])[]
) =>
  slice("a", [endpoint("10.0.0.1")], {
    ports: list.map(([name, port, protocol = "TCP"]) => ({ name, port, protocol })),
  });
const ipv6 = { addressType: "IPv6" };

describe("the EndpointSlices of a service as members", () => {
  const rows: ReadonlyArray<
    readonly [
      what: string,
      expected: readonly string[],
      objects: readonly SliceObject[],
      port?: string | number,
    ]
  > = [
    ["an endpoint that is ready", ["10.0.0.1:8080"], [one({})]],
    ["one that is not ready", [], [one({ ready: false, serving: false })]],
    [
      "one that terminates and serves",
      ["10.0.0.1:8080;terminating"],
      [one({ ready: false, terminating: true })],
    ],
    [
      "one that terminates and serves no more",
      [],
      [one({ ready: false, serving: false, terminating: true })],
    ],
    [
      "one that terminates, of a service that publishes all addresses",
      ["10.0.0.1:8080;terminating"],
      [one({ terminating: true })],
    ],
    [
      "no conditions, which is ready",
      ["10.0.0.1:8080"],
      [one({ ready: null, serving: null, terminating: null })],
    ],
    [
      "no word about serving, which follows ready",
      [],
      [one({ ready: false, serving: null, terminating: true })],
    ],
    [
      "several slices",
      ["10.0.0.1:8080", "10.0.0.2:8080"],
      [slice("b", [endpoint("10.0.0.2")]), slice("a", [endpoint("10.0.0.1")])],
    ],
    [
      "several slices with ports of their own",
      ["10.0.0.1:8080", "10.0.0.2:9090"],
      [
        slice("a", [endpoint("10.0.0.1")]),
        slice("b", [endpoint("10.0.0.2")], { ports: [{ name: "http", port: 9_090 }] }),
      ],
      "http",
    ],
    [
      "an endpoint in two slices",
      ["10.0.0.1:8080"],
      [slice("a", [endpoint("10.0.0.1")]), slice("b", [endpoint("10.0.0.1")])],
    ],
    [
      "an endpoint that one slice calls terminating, and a later one not",
      ["10.0.0.1:8080"],
      [
        slice("a", [endpoint("10.0.0.1", { ready: false, terminating: true })]),
        slice("b", [endpoint("10.0.0.1")]),
      ],
    ],
    [
      "an endpoint that one slice calls terminating, and an earlier one not",
      ["10.0.0.1:8080"],
      [
        slice("a", [endpoint("10.0.0.1")]),
        slice("b", [endpoint("10.0.0.1", { ready: false, terminating: true })]),
      ],
    ],
    [
      "both families, of which IPv4 serves",
      ["10.0.0.1:8080"],
      [slice("a", [endpoint("10.0.0.1")]), slice("b", [endpoint("fd00::1")], ipv6)],
    ],
    ["IPv6 alone", ["[fd00::1]:8080"], [slice("b", [endpoint("fd00:0:0::1")], ipv6)]],
    [
      "IPv6 beside an empty slice of IPv4",
      ["[fd00::1]:8080"],
      [slice("a", []), slice("b", [endpoint("fd00::1")], ipv6)],
    ],
    [
      "names, which no service has any more",
      [],
      [slice("a", [endpoint("web.example")], { addressType: "FQDN" })],
    ],
    ["text that is no address", [], [slice("a", [endpoint("10.0.0.256")])]],
    ["a port by its name", ["10.0.0.1:9090"], [ports(["http", 8_080], ["metrics", 9_090])], "metrics"],
    ["a port by its number", ["10.0.0.1:9090"], [ports(["http", 8_080], ["metrics", 9_090])], 9_090],
    ["a port without a name", ["10.0.0.1:8080"], [ports([null, 8_080])]],
    [
      "a name that is not there",
      ["the service has no TCP port named web, but http (8080), metrics (9090)"],
      [ports(["http", 8_080], ["metrics", 9_090])],
      "web",
    ],
    [
      "a number that is not there",
      ["the pods have no port 80, but http (8080)"],
      [ports(["http", 8_080])],
      80,
    ],
    [
      "several ports, none chosen",
      ["the service has several ports (http (8080), metrics (9090)); set port"],
      [ports(["http", 8_080], ["metrics", 9_090])],
    ],
    ["a port of UDP beside", ["10.0.0.1:8080"], [ports(["http", 8_080], ["dns", 53, "UDP"])]],
    ["only a port of UDP", ["the service has no TCP port; set port"], [ports(["dns", 53, "UDP"])]],
    ["no ports, and a number", ["10.0.0.1:8080"], [ports()], 8_080],
    ["no ports, and none chosen", ["the service has no TCP port; set port"], [ports()]],
    [
      "a port that is not there yet",
      ["the service has no TCP port named http"],
      [ports(["http", null])],
      "http",
    ],
    ["no endpoints", [], [slice("a", [])]],
    ["no list of endpoints", [], [slice("a", [], { endpoints: null })]],
    [
      "pods in the order of their names",
      ["10.0.0.3:8080", "10.0.0.2:8080", "10.0.0.1:8080"],
      [
        slice("a", [
          endpoint("10.0.0.1", {}, "web-10"),
          endpoint("10.0.0.2", {}, "web-2"),
          endpoint("10.0.0.3", {}, "web-1"),
        ]),
      ],
    ],
  ];
  for (const [what, expected, objects, port] of rows)
    test(what, () => expect(translated(objects, port)).toEqual([...expected]));

  test("have the names of their pods", () => {
    const read = readEndpointSlice(slice("a", [endpoint("10.0.0.1", {}, "web-abc")]));
    const service = readEndpointSlice(slice("b", [{ addresses: ["10.0.0.2"] }]));
    const { members } = sliceMembers(read && service ? [read, service] : [], { template, serverName });
    expect(members.map(({ name }) => name)).toEqual([undefined, "web-abc"]);
  });

  test("are verified by the name of the service over https, unless the entry names another one", () => {
    const slices = [readEndpointSlice(slice("a", [endpoint("10.0.0.1")]))].flatMap((one) => one ?? []);
    const tlsWith = (tls: object) =>
      sliceMembers(slices, { template: { ...template, protocol: "https", ...tls }, serverName }).members[0]
        ?.address.tls;
    expect(tlsWith({})).toEqual({ verify: true, serverName: "web.default.svc" });
    expect(tlsWith({ tls: { verify: true, serverName: "a.example" } })?.serverName).toBe("a.example");
    expect(sliceMembers(slices, { template, serverName }).members[0]?.address).not.toHaveProperty("tls");
  });

  test("take the first address of an endpoint, since all are one pod", () =>
    expect(translated([slice("a", [{ addresses: ["10.0.0.1", "10.0.0.2"] }])])).toEqual(["10.0.0.1:8080"]));

  test("are none in what is no slice", () => {
    const odd = [
      null,
      3,
      "x",
      {},
      [],
      { metadata: { name: 3 } },
      {
        metadata: { name: "a" },
        endpoints: [null, 3, {}, { addresses: 3 }],
        ports: [null, "x", { port: "80" }],
      },
    ];
    expect(translated(odd)).toEqual([]);
  });
});
