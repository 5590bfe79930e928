import { describe, expect, test } from "bun:test";

import type { Config } from "../../src/config/config.ts";
import { perWorkerConfig } from "../../src/dataplane/messages.ts";
import { FilterMeter } from "../../src/metrics/filter-meter.ts";
import type { FilterVerdict } from "../../src/proxy/filter.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { AccessFilters } from "../../src/registry/access-filters.ts";
import { parsed, problemsOf } from "../cli/fake.ts";
import { requestOf, type RequestFields } from "./filtered-request.ts";

const pools = "pools: { main: { upstreams: [http://10.0.0.1:80] } }\n";
const files = (text: string) => ({ argv: "proxy", files: { "evenkeel.yaml": pools + text } });
const configOf = (text: string): Config => parsed("proxy", files(text)).config;

function setUp() {
  const time = { now: 1_000 };
  const meter = new FilterMeter();
  const access = new AccessFilters({ clock: () => time.now, meter });
  /** Compiles a configuration; the result asks the filters of its routes in turn. */
  const compile = (config: Config) => {
    const routes = access.compile(config, new Map(), (accessOf) => config.routes.map(accessOf));
    return (fields: RequestFields = {}, route = 0): FilterVerdict => {
      const { byAddress = [], byClient = [] } = routes[route] ?? {};
      for (const filter of [...byAddress, ...byClient]) {
        const verdict = filter.admit(requestOf(fields));
        if (verdict instanceof Promise) throw new Error("it waits");
        if (verdict) return verdict;
      }
      return undefined;
    };
  };
  return { time, meter, compile };
}

describe("allow and deny", () => {
  const config = configOf(`
networks: { office: [192.0.2.0/24, "2001:db8::/32"], guests: [192.0.2.128/25] }
routes: [{ pool: main, allow: [office, 10.0.0.0/8], deny: [guests] }]
`);

  test("take names of networks and ranges; deny is first", () => {
    const ask = setUp().compile(config);
    const clients = ["192.0.2.7", "10.9.9.9", "2001:db8::9", "::ffff:192.0.2.7", "192.0.2.200", "198.51.100.1", "unknown", ""]; // prettier-ignore
    const reasons = clients.map((client) => ask({ client })?.reason);
    expect(reasons).toEqual([
      ...[undefined, undefined, undefined, undefined],
      ...(["denied", "denied", "denied", "denied"] as const),
    ]);
  });

  test("a name that looks like an address is a name", () => {
    const ask = setUp().compile(
      configOf(`
networks: { fe80: [192.0.2.7] }
routes: [{ pool: main, allow: [fe80] }]
`),
    );
    expect([ask({ client: "192.0.2.7" }), ask({ client: "fe80::1" })?.status]).toEqual([undefined, 403]);
  });

  test("unknown names and invalid ranges are problems with a suggestion", () => {
    const text = `
networks: { office: [192.0.2.0/24] }
defaults: { deny: [10.0.0.0/33] }
routes: [{ pool: main, allow: [ofice, 192.0.2.1] }]
`;
    expect(problemsOf(files(text))).toEqual([
      'Cannot use defaults.deny[0] at evenkeel.yaml:4:20: the prefix must be from 0 to 32 (received "10.0.0.0/33").',
      'Cannot use routes[0].allow[0] at evenkeel.yaml:5:32: there is no such name under networks (received "ofice"); did you mean "office"?',
    ]);
  });
});

test("filters are in their fixed order, whatever their order in the file", () => {
  const settings = `respond: { text: ok }, forwardAuth: { pool: main, copy: [X-User] },
    rateLimit: [{ rate: 1/s, key: user }, { rate: 1/s }], cors: { origins: ["*"] },
    basicAuth: { users: [{ name: ann, passwordHash: "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" }] },
    allow: [10.0.0.0/8], deny: [10.0.0.1]`;
  const registry = new PoolRegistry({
    clock: () => 0,
    random: seededRandom(1),
    observer: { outlierChanged() {}, panicChanged() {} },
  });
  registry.commit(registry.prepare(configOf(`routes: [{ ${settings} }]\n`)));
  const names = registry.routes.routes[0]?.handling?.filters.map(({ name }) => name);
  expect(names).toEqual([
    "deny",
    "allow",
    "cors",
    "rateLimit",
    "basicAuth",
    "forwardAuth",
    "rateLimit",
    "respond",
  ]);
});

describe("rate limits of routes", () => {
  const limited = (limit: string, more = "") =>
    configOf(`routes: [{ pool: main, rateLimit: ${limit} }${more}]\n`);

  test("have one second's worth at once by default, at least one request", () => {
    const passes = (limit: string) => {
      const ask = setUp().compile(limited(limit));
      return Array.from({ length: 20 }, () => ask()).filter((verdict) => verdict === undefined).length;
    };
    expect(["{ rate: 7/s }", "{ rate: 10/m }", "{ rate: 1/d, burst: 3 }"].map(passes)).toEqual([7, 1, 3]);
  });

  test("outlive a new configuration in which they are the same, whatever stands before them", () => {
    const { compile } = setUp();
    const route = "{ host: a.example, pool: main, rateLimit: { rate: 1/m, burst: 2 } }";
    const before = compile(configOf(`routes: [${route}]\n`));
    before();
    const after = compile(configOf(`routes: [{ host: b.example, pool: main }, ${route}]\n`));
    expect([after({}, 1), after({}, 1)?.reason]).toEqual([undefined, "rate_limited"]);
    const changed = compile(configOf(`routes: [${route.replace("burst: 2", "burst: 3")}]\n`));
    expect([changed(), changed(), changed(), changed()?.reason]).toEqual([
      ...[undefined, undefined, undefined],
      "rate_limited",
    ]);
  });

  test("of two routes are two limits", () => {
    const limit = "rateLimit: { rate: 1/m }";
    const ask = setUp().compile(configOf(`routes: [{ host: a.example, pool: main, ${limit} }, { pool: main, ${limit} }]\n`)); // prettier-ignore
    expect([ask({}, 0), ask({}, 1), ask({}, 0)?.reason]).toEqual([undefined, undefined, "rate_limited"]);
  });

  test("are divided among workers, at least one request each", () => {
    const config = limited("{ rate: 8/s, burst: 6 }");
    const passes = (workers: number) => {
      const { compile, time } = setUp();
      const ask = compile(perWorkerConfig(config, workers, []));
      const passing = () => Array.from({ length: 20 }, () => ask()).filter((verdict) => !verdict).length;
      const atOnce = passing();
      time.now += 500;
      return [atOnce, passing()];
    };
    expect([passes(2), passes(4), passes(8)]).toEqual([
      [3, 2],
      [2, 1],
      [1, 0],
    ]);
  });

  test("by user are looked at last", () => {
    const { compile } = setUp();
    const ask = compile(limited("[{ rate: 1/m, key: user, name: mine }, { rate: 1/m, name: all }]"));
    expect([ask({ user: "ann" }), ask({ user: "ben", client: "192.0.2.8" })]).toEqual([undefined, undefined]);
    expect(ask({ user: "ann", client: "192.0.2.9" })?.reason).toBe("rate_limited");
  });
});
