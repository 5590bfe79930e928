import { describe, expect, test } from "bun:test";

import type { Config, ListenerConfig } from "../../src/config/config.ts";
import { reloadableConfig, planSteps } from "../../src/control/plan.ts";
import { describeStep } from "../../src/control/step.ts";
import { redundantIntents, desiredConfig } from "../../src/control/desired-state.ts";
import type { UpstreamTls } from "../../src/net/address.ts";
import { parseIntent as readIntent, serializeIntent } from "../../src/state/intent.ts";
import { configOf, routeConfigs, intentOf, poolsIn } from "../support/configs.ts";

const main = "main: a b";
const probe = {
  ...configOf(main).pools[0]?.probe,
  kind: "http",
  path: "/up",
  rise: 5,
} as Config["pools"][0]["probe"];
const outlier = {
  ...configOf(main).pools[0]?.outlier,
  windowMs: 20_000,
} as Config["pools"][0]["outlier"];
const routes = [{ host: "x.example", path: "/y", pool: "main" }, { pool: "main" }];

const limited = (rate: string) => ({ host: "a.test", path: "/x", rateLimit: [{ rate }], pool: "main" });
const withUser = (passwordHash: string) => ({
  basicAuth: { users: [{ name: "ann", passwordHash }] },
  pool: "main",
});

const listenerWith = (certPath: string): ListenerConfig => ({
  name: "main",
  protocols: ["http1"],
  hostname: "::",
  port: 1,
  maxClients: 5,
  tls: { files: { certPath, keyPath: "/k" }, minVersion: "1.2", strictSni: "auto" },
});

const certificateWith = (fingerprint: string): Config["foundCertificates"][0] => ({
  setting: "listen.tls.cert",
  ...{ source: "/c", names: ["a.test"], keyType: "ec", validFrom: 0, expiresAt: 1, fingerprint },
});

function configWithTls(tls: UpstreamTls | undefined): Config {
  const config = configOf("main: a");
  const address = { protocol: "https", hostname: "10.0.0.1", port: 443, ...(tls && { tls }) } as const;
  const upstreams = [{ id: "a", address, weight: 1, backup: false }];
  return { ...config, pools: config.pools.map((pool) => ({ ...pool, upstreams })) };
}

/** Each row: the old configuration, the new one, the intents, and the expected changes. */
const rows: readonly (readonly [
  change: string,
  old: Config,
  next: Config,
  set: readonly string[],
  steps: readonly string[],
])[] = [
  ["no change for equal configurations", configOf(main), configOf(main), [], []],
  [
    "another order",
    configOf(main),
    configOf("main: c b a"),
    [],
    ["~ pool main: order a, b → b, a", "+ upstream main/c: http://10.0.0.3:80 weight 1"],
  ],
  [
    "an added upstream",
    configOf(main),
    configOf("main: a b c;weight=2;backup"),
    [],
    ["+ upstream main/c: http://10.0.0.3:80 weight 2 backup"],
  ],
  [
    "a removed upstream",
    configOf(main),
    configOf("main: b"),
    [],
    ["- upstream main/a: http://10.0.0.1:80 weight 1"],
  ],
  ["a weight", configOf(main), configOf("main: a;weight=0 b"), [], ["~ upstream main/a: weight 1 → 0"]],
  ["a backup", configOf(main), configOf("main: a b;backup"), [], ["~ upstream main/b: backup false → true"]],
  [
    "another address under the same name",
    configOf(main),
    configOf("main: a@10.1.1.1 b"),
    [],
    ["+ upstream main/a: http://10.1.1.1:80 weight 1", "- upstream main/a: http://10.0.0.1:80 weight 1"],
  ],
  [
    "an added pool, and an upstream that moves there",
    configOf(main),
    configOf("main: a | api: b"),
    [],
    ["+ pool api: round-robin", "~ upstream api/b: pool main → api"],
  ],
  [
    "a removed pool",
    configOf("main: a | api: b"),
    configOf("main: a"),
    [],
    ["- pool api", "- upstream api/b: http://10.0.0.2:80 weight 1"],
  ],
  [
    "a pool's settings",
    configOf(main),
    configOf(main, {}, { policy: "hash", hashBy: "uri", retries: 2, probe }),
    [],
    [
      "~ pool main: policy round-robin → hash",
      "~ pool main: hashBy client-address → uri",
      "~ pool main: retries 1 → 2",
      "~ pool main: probe.path none → /up",
      "~ pool main: probe.rise 2 → 5",
    ],
  ],
  [
    "settings by their names in the file, also a removed one",
    configOf(main, {}, { maxRequestBodyBytes: 65_536 }),
    configOf(main, {}, { outlier }),
    [],
    ["~ pool main: outlier.window 10s → 20s", "~ pool main: maxRequestBody 64KiB → none"],
  ],
  [
    "routes",
    configOf(main),
    configOf(main, { routes: routeConfigs(routes) }),
    [],
    ["~ routes: * → main → x.example/y → main; * → main"],
  ],
  [
    "a setting of a route, and a route that is new",
    configOf(main, { routes: routeConfigs([limited("2/s"), { pool: "main" }]) }),
    configOf(main, {
      routes: routeConfigs([limited("5/s"), { host: "b.test", respond: { text: "ok" } }, { pool: "main" }]),
    }),
    [],
    [
      "~ routes: a.test/x → main; * → main → a.test/x → main; b.test → a response; * → main",
      "~ routes: routes[0].rateLimit[0] { rate: 2/s } → { rate: 5/s }",
    ],
  ],
  [
    "a setting of a route alone, and hashes of passwords by a digest",
    configOf(main, { routes: routeConfigs([withUser("$2b$10$one")]) }),
    configOf(main, { routes: routeConfigs([{ ...withUser("$2b$10$two"), retries: 2 }]) }),
    [],
    ["~ routes: routes[0].retries none → 2", "~ routes: routes[0].basicAuth.users #aed076a4 → #bd7d661c"],
  ],
  [
    "settings that can and cannot change at run time",
    configOf(main),
    configOf(main, {
      drainTimeoutMs: 5_000,
      trustedProxies: ["10.0.0.0/8"],
      listeners: [{ name: "main", hostname: "::", port: 81, maxClients: 16_384, protocols: ["http1"] }],
      state: "x",
    }),
    [],
    [
      "~ setting: listen.host 0.0.0.0 → :: (needs a restart)",
      "~ setting: listen.port 8080 → 81 (needs a restart)",
      "~ setting: state /state/state.db → x (needs a restart)",
      "~ setting: drainTimeout 30s → 5s",
      "~ setting: trustedProxies none → 10.0.0.0/8",
    ],
  ],
  [
    "another file for the certificate of a listener",
    configOf(main, { listeners: [listenerWith("/c")] }),
    configOf(main, { listeners: [{ ...listenerWith("/d"), maxClients: 9 }] }),
    [],
    [
      "~ setting: listen.tls.cert /c → /d (needs a restart)",
      "~ setting: listen.maxClients 5 → 9 (needs a restart)",
    ],
  ],
  [
    "another certificate in the same file",
    configOf(main, { foundCertificates: [certificateWith("aaaa")] }),
    configOf(main, { foundCertificates: [certificateWith("bbbb")] }),
    [],
    ["~ setting: certificate /c aaaa → bbbb"],
  ],
  [
    "another certificate in the same file, for the fetch engine",
    configOf(main, { engine: "fetch", foundCertificates: [certificateWith("aaaa")] }),
    configOf(main, { engine: "fetch", foundCertificates: [certificateWith("bbbb")] }),
    [],
    ["~ setting: certificate /c aaaa → bbbb (needs a restart)"],
  ],
  [
    "an upstream's certificate verification",
    configWithTls(undefined),
    configWithTls({ serverName: "api.internal", verify: false }),
    [],
    [
      "~ upstream main/a: tls.serverName URL host → api.internal",
      "~ upstream main/a: tls.verify true → false",
    ],
  ],
  [
    "a token, without its value",
    configOf(main),
    configOf(main, { admin: { ...configOf(main).admin, token: "s3cret" } }),
    [],
    ["~ setting: admin.token (needs a restart)"],
  ],
  ["a weight that was set at run time", configOf(main), configOf("main: a;weight=3 b"), ["weight a 5"], []],
  [
    "an upstream added at run time that is now in the file",
    configOf(main),
    configOf("main: a b c"),
    ["added main/c"],
    [],
  ],
  [
    "an upstream removed at run time that is now gone from the file",
    configOf(main),
    configOf("main: b"),
    ["removed main/a"],
    [],
  ],
  [
    "an upstream removed at run time, at another address",
    configOf(main),
    configOf("main: a@10.1.1.1 b"),
    ["removed main/a"],
    ["+ upstream main/a: http://10.1.1.1:80 weight 1"],
  ],
  ["no change for a mode", configOf(main), configOf(main), ["mode a draining"], []],
];

describe("the plan from one configuration to another", () => {
  for (const [change, old, next, set, steps] of rows) {
    test(`contains ${change}`, () => {
      const intents = set.map(intentOf);
      expect(planSteps(desiredConfig(old, intents), desiredConfig(next, intents)).map(describeStep)).toEqual([
        ...steps,
      ]);
    });
  }

  test("has only changes that need a restart after it was applied", () => {
    for (const [, old, next] of rows) {
      const left = planSteps(reloadableConfig(old, next), next);
      expect(left.filter(({ needsRestart }) => !needsRestart)).toEqual([]);
      expect(reloadableConfig(old, next)).toMatchObject({
        listeners: old.listeners,
        admin: old.admin,
        state: old.state,
      });
    }
  });
});

/** Each row: a configuration, the intents, the desired pools, and the upstreams with superseded intents. */
const desiredRows: readonly (readonly [
  pools: string,
  set: readonly string[],
  wanted: string,
  outdated: string,
])[] = [
  ["main: a b", [], "main: a b", ""],
  ["main: a b", ["weight a 5", "weight x 7"], "main: a;weight=5 b", ""],
  ["main: a;weight=5 b", ["weight a 5"], "main: a;weight=5 b", "a"],
  ["main: a b", ["added main/c;weight=2;backup"], "main: a b c;weight=2;backup", ""],
  ["main: a b", ["added main/c", "weight c 9"], "main: a b c;weight=9", ""],
  ["main: a b", ["added gone/c"], "main: a b", ""],
  ["main: a b | api: c", ["added main/c@10.9.9.9"], "main: a b | api: c", "c"],
  ["main: a b", ["removed main/a"], "main: b", ""],
  ["main: a b", ["removed main/c"], "main: a b", "c"],
  ["main: a@10.9.9.9 b", ["removed main/a"], "main: a@10.9.9.9 b", "a"],
  ["main: a", ["removed main/a"], "main: a", ""],
  ["main: a", ["removed main/a", "added main/b"], "main: b", ""],
];

describe("the desired configuration", () => {
  test.each(desiredRows.map(([pools, set, desired, outdated]) => ({ pools, set, desired, outdated })))(
    "is $desired with $pools and $set",
    ({ pools, set, desired, outdated }) => {
      const intents = set.map(intentOf);
      expect(poolsIn(desiredConfig(configOf(pools), intents))).toBe(desired);
      expect(
        redundantIntents(configOf(pools), intents)
          .map(({ upstream }) => upstream)
          .join(),
      ).toBe(outdated);
    },
  );

  test("uses the pool's TLS settings for an added upstream except its own, also after a restart", () => {
    const added = (ownTls?: UpstreamTls) => {
      const address = {
        protocol: "https",
        hostname: "10.0.0.3",
        port: 443,
        ...(ownTls && { tls: ownTls }),
      } as const;
      const spec = { id: "c", address, weight: 1, backup: false };
      const meta = { upstream: "c", by: "ann", at: 1, why: "" };
      const restored = readIntent(meta, serializeIntent({ ...meta, kind: "added", pool: "main", spec }));
      const upstreamTls = { ca: "PEM", caPath: "/ca.pem", verify: true };
      const desired = desiredConfig(configOf(main, {}, { upstreamTls }), restored ? [restored] : []);
      return desired.pools[0]?.upstreams.find(({ id }) => id === "c")?.address.tls;
    };
    expect(added()).toEqual({ ca: "PEM", caPath: "/ca.pem", verify: true });
    expect(added({ verify: false, serverName: "x" })).toEqual({
      ca: "PEM",
      caPath: "/ca.pem",
      verify: false,
      serverName: "x",
    });
  });

  test("keeps a draining upstream until it is removed", () => {
    const leaving = [{ pool: "main", spec: intentSpec("a;weight=4") }];
    const desired = desiredConfig(configOf("main: a b"), [intentOf("removed main/a")], leaving);
    expect(poolsIn(desired)).toBe("main: b a;weight=4");
  });
});

function intentSpec(entry: string) {
  const intent = intentOf(`added main/${entry}`);
  if (intent.kind !== "added") throw new Error("no upstream");
  return intent.spec;
}

describe("authorities that certificates are ordered from", () => {
  const settings = (challenge: "http-01" | "tls-alpn-01", ...hosts: string[]): Config["acme"][0] => ({
    ...{ hosts, challenge, directory: "https://ca.test/", storage: "/srv/acme" },
  });
  const stepsBetween = (before: Config["acme"], after: Config["acme"]) => {
    const [running, next] = [configOf(main, { acme: before }), configOf(main, { acme: after })];
    const steps = planSteps(running, next).map((step) => describeStep(step));
    return { steps, acme: reloadableConfig(running, next).acme };
  };
  const one = [settings("http-01", "a.test")];

  test("take other hosts with a reload, and can go", () => {
    const two = [settings("http-01", "a.test", "b.test")];
    const { steps, acme } = stepsBetween(one, two);
    expect(acme).toEqual(two);
    expect(steps.join()).toContain("b.test");
    expect(steps.join()).not.toContain("restart");
    expect(stepsBetween(one, []).acme).toEqual([]);
  });

  test("need a restart for a challenge that the listeners were not opened for", () => {
    for (const [before, after] of [
      [[], one],
      [one, [settings("tls-alpn-01", "a.test")]],
    ] as const) {
      const { steps, acme } = stepsBetween(before, after);
      expect(acme).toEqual(before);
      expect(steps.join()).toContain("(needs a restart)");
    }
  });
});

test("a change of one listener of several is a step", () => {
  const [before, after] = [8_080, 8_081].map((port) => {
    const { listeners } = configOf(main);
    return configOf(main, { listeners: [listeners[0], { ...listeners[0], name: "other", port }] });
  }) as [Config, Config];
  const steps = planSteps(before, after).map((step) => describeStep(step));
  expect(steps).toHaveLength(1);
  expect(steps[0]).toContain("port: 8081");
  expect(steps[0]).toContain("(needs a restart)");
});
