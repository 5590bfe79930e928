import { describe, expect, test } from "bun:test";

import { containerMembers, type ContainerSelection } from "../../src/discovery/docker-containers.ts";
import { container } from "../support/docker-daemon.ts";

const template = { protocol: "http", backup: false } as const;
const anyWeb: ContainerSelection = { labels: ["app=web"], published: false, daemonHost: "127.0.0.1" };

/** "10.0.0.2:80" of each member, with what is not usual, and each clause about what was left out. */
function translated(
  list: unknown,
  change: Partial<ContainerSelection> = {},
  stopping: readonly string[] = [],
) {
  const { members, skipped = [] } = containerMembers(list, {
    selection: { ...anyWeb, ...change },
    template,
    isStopping: (id) => stopping.includes(id),
  });
  const texts = members.map(({ address, weight, backup, isTerminating }) =>
    [
      `${address.hostname}:${address.port}`,
      ...(weight === 1 ? [] : [`weight=${weight}`]),
      ...(backup ? ["backup"] : []),
      ...(isTerminating ? ["stopping"] : []),
    ].join(";"),
  );
  return [...texts, ...skipped];
}

const port = (PrivatePort: number, more: object = {}) => ({ PrivatePort, Type: "tcp", ...more });

describe("the containers of Docker as members", () => {
  const rows: ReadonlyArray<
    readonly [
      what: string,
      expected: readonly string[],
      given: Readonly<Record<string, unknown>>,
      change?: Partial<ContainerSelection>,
    ]
  > = [
    ["the only network and the only port", ["172.18.0.2:8080"], {}],
    ["the port of the entry", ["172.18.0.2:9000"], { Ports: [] }, { port: 9_000 }],
    ["the label with the port", ["172.18.0.2:9001"], { labels: { "evenkeel.port": "9001" } }],
    [
      "the entry before the label",
      ["172.18.0.2:9000"],
      { labels: { "evenkeel.port": "9001" } },
      { port: 9_000 },
    ],
    [
      "a port that two families publish, once",
      ["172.18.0.2:8080"],
      { Ports: [port(8080, { IP: "0.0.0.0", PublicPort: 80 }), port(8080, { IP: "::", PublicPort: 80 })] },
    ],
    ["no UDP port", ["172.18.0.2:8080"], { Ports: [port(8080), { PrivatePort: 53, Type: "udp" }] }],
    [
      "no port",
      ["container web-1: it exposes no TCP port; set port, or the label evenkeel.port"],
      { Ports: [] },
    ],
    [
      "no list of ports",
      ["container web-1: it exposes no TCP port; set port, or the label evenkeel.port"],
      { Ports: null },
    ],
    [
      "two ports",
      ["container web-1: it exposes several ports (443, 8080); set port, or the label evenkeel.port"],
      { Ports: [port(8080), port(443)] },
    ],
    [
      "a label that is no port",
      ['container web-1: label evenkeel.port is "http"; expected a number from 1 to 65535'],
      { labels: { "evenkeel.port": "http" } },
    ],
    [
      "a label with a port that is too large",
      ['container web-1: label evenkeel.port is "65536"; expected a number from 1 to 65535'],
      { labels: { "evenkeel.port": "65536" } },
    ],
    [
      "weight and role by label",
      ["172.18.0.2:8080;weight=7;backup"],
      { labels: { "evenkeel.weight": "7", "evenkeel.backup": "true" } },
    ],
    [
      "a weight that is none",
      ['container web-1: label evenkeel.weight is "-1"; expected a number from 0 to 256'],
      { labels: { "evenkeel.weight": "-1" } },
    ],
    [
      "a role that is none",
      ['container web-1: label evenkeel.backup is "yes"; expected true or false'],
      { labels: { "evenkeel.backup": "yes" } },
    ],
    [
      "two networks",
      ["container web-1: it is in several networks (a, b); set network, or the label evenkeel.network"],
      { networks: { b: "10.2.0.2", a: "10.1.0.2" } },
    ],
    [
      "two networks of which one is named",
      ["10.2.0.2:8080"],
      { networks: { b: "10.2.0.2", a: "10.1.0.2" } },
      { network: "b" },
    ],
    [
      "two networks of which a label names one",
      ["10.1.0.2:8080"],
      { networks: { b: "10.2.0.2", a: "10.1.0.2" }, labels: { "evenkeel.network": "a" } },
    ],
    [
      "a network of the Compose project",
      ["10.2.0.2:8080"],
      { networks: { shop_b: "10.2.0.2", a: "10.1.0.2" }, labels: { "com.docker.compose.project": "shop" } },
      { network: "b" },
    ],
    ["a network that it is not in", ['container web-1: it is not in network "c"'], {}, { network: "c" }],
    [
      "Swarm's network for published ports",
      ["10.1.0.2:8080"],
      { networks: { ingress: "10.0.0.9", a: "10.1.0.2" } },
    ],
    [
      "an IPv6 network",
      ["[fd00::2]:8080"],
      { networks: { a: { IPAddress: "", GlobalIPv6Address: "fd00:0::2" } } },
    ],
    [
      "both families",
      ["10.1.0.2:8080"],
      { networks: { a: { IPAddress: "10.1.0.2", GlobalIPv6Address: "fd00::2" } } },
    ],
    [
      "a network without an address",
      ["container web-1: it has no address in its network"],
      { networks: { a: { IPAddress: "invalid IP" } } },
    ],
    ["no network", ["container web-1: it has no address in its network"], { networks: {} }],
    [
      "the network of the host",
      ["127.0.0.1:8080"],
      { HostConfig: { NetworkMode: "host" }, networks: { host: "" } },
    ],
    [
      "the network of another container",
      ["container web-1: it shares the network of another container; put the labels on that one"],
      { HostConfig: { NetworkMode: "container:abc" }, networks: {} },
    ],
    [
      "a published port",
      ["127.0.0.1:32768"],
      {
        Ports: [
          port(8080, { IP: "::", PublicPort: 32_769 }),
          port(8080, { IP: "0.0.0.0", PublicPort: 32_768 }),
        ],
      },
      { published: true },
    ],
    [
      "a port published at one address",
      ["192.0.2.7:80"],
      { Ports: [port(8080, { IP: "192.0.2.7", PublicPort: 80 })] },
      { published: true },
    ],
    [
      "a port published by a daemon elsewhere",
      ["docker.internal:80"],
      { Ports: [port(8080, { IP: "0.0.0.0", PublicPort: 80 })] },
      { published: true, daemonHost: "docker.internal" },
    ],
    [
      "a port that is not published",
      ["container web-1: the host publishes no port for 8080"],
      {},
      { published: true },
    ],
    ["a healthy container", ["172.18.0.2:8080"], { Status: "Up 5 minutes (healthy)" }],
    ["an unhealthy container", [], { Status: "Up 5 minutes (unhealthy)" }],
    ["a container whose check has not passed yet", [], { Status: "Up 2 seconds (health: starting)" }],
    ["the health of version 1.52 of the API", [], { Health: { Status: "unhealthy", FailingStreak: 3 } }],
    [
      "no health check in version 1.52 of the API",
      ["172.18.0.2:8080"],
      { Health: { Status: "none", FailingStreak: 0 } },
    ],
    ["a paused container", [], { State: "paused", Status: "Up 5 minutes (Paused)" }],
    ["a container that ended", [], { State: "exited" }],
    ["a one-time command of Compose", [], { labels: { "com.docker.compose.oneoff": "True" } }],
    ["another value of the label", [], { labels: { app: "db" } }],
    ["a second label that it does not have", [], {}, { labels: ["app=web", "tier"] }],
    [
      "a second label without a value",
      ["172.18.0.2:8080"],
      { labels: { tier: "" } },
      { labels: ["app=web", "tier"] },
    ],
    ["a label named like a method", [], {}, { labels: ["toString"] }],
  ];
  for (const [what, expected, given, change] of rows)
    test(what, () =>
      expect(translated([container("web-1", "172.18.0.2", given)], change)).toEqual([...expected]),
    );

  test("come in the order of their names, numbers as numbers", () => {
    const list = ["web-10", "web-2", "web-1"].map((name, index) => container(name, `10.0.0.${index + 1}`));
    expect(translated(list)).toEqual(["10.0.0.3:8080", "10.0.0.2:8080", "10.0.0.1:8080"]);
  });

  test("drain when Docker has told them to stop", () => {
    const one = container("web-1", "10.0.0.1");
    expect(translated([one], {}, [one.Id])).toEqual(["10.0.0.1:8080;stopping"]);
  });

  test("have each address once", () => {
    const host = { HostConfig: { NetworkMode: "host" }, networks: { host: "" } };
    const list = [container("web-1", "", host), container("web-2", "", host)];
    expect(translated(list)).toEqual([
      "127.0.0.1:8080",
      "container web-2: 127.0.0.1:8080 is another container's address too",
    ]);
  });

  test("have the name of the container, not that of a link to it", () => {
    const { members } = containerMembers(
      [container("x", "10.0.0.1", { Names: ["/proxy/web", "/shop-web-1"] })],
      {
        selection: anyWeb,
        template,
        isStopping: () => false,
      },
    );
    expect(members[0]?.name).toBe("shop-web-1");
  });

  test("have what the entry says of all members", () => {
    const { members } = containerMembers(
      [container("x", "10.0.0.1", { labels: { "evenkeel.weight": "9" } })],
      {
        selection: anyWeb,
        template: { protocol: "https", backup: true, weight: 3, tls: { verify: false } },
        isStopping: () => false,
      },
    );
    expect(members).toEqual([
      {
        address: { protocol: "https", hostname: "10.0.0.1", port: 8080, tls: { verify: false } },
        weight: 3,
        backup: true,
        isTerminating: false,
        name: "x",
      },
    ]);
  });

  test("are none in what is no list of containers", () => {
    for (const list of [undefined, null, 3, "x", {}, [], [null, 3, "x", {}, [], { State: "running" }]])
      expect(translated(list)).toEqual([]);
  });
});
