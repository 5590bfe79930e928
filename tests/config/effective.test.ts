import { describe, expect, test } from "bun:test";
import { parse as parseYaml } from "yaml";
import { seededRandom } from "../../src/lib/random.ts";
import { policyNames } from "../../src/policy/policies.ts";
import { parsed } from "../cli/fake.ts";

const check = (text: string | undefined, argv = "check", env = {}) =>
  parsed("check", { argv, env, ...(text === undefined ? {} : { files: { "evenkeel.yaml": text } }) });

describe("the effective configuration", () => {
  test("begins with ok and names every value's source", () => {
    const file = "admin:\n  port: 9001\npools:\n  main:\n    upstreams: [http://a]\n";
    const { text } = check(file, "check --policy p2c", { PROXY_PORT: "81" });
    expect(text).toStartWith("# ok");
    for (const line of [
      "  port: 81 # env PROXY_PORT",
      "  host: 127.0.0.1 # default",
      "  port: 9001 # file evenkeel.yaml:2",
      "    policy: p2c # flag --policy",
      "      - { url: http://a:80, weight: 1, backup: false } # file evenkeel.yaml:5",
      "trustedProxies: [] # default",
      "  - { pool: main } # default",
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    const values = text.split("\n").filter((line) => /^\s*(- |[\w]+: [^#])/.test(line));
    expect(values.filter((line) => !/ # (default|flag|env|file) ?/.test(line))).toEqual([]);
  });

  test("lists each pool's values in full, without references to another pool", () => {
    const { text } = check("pools: { a: { upstreams: [http://a] }, b: { upstreams: [http://b] } }");
    expect([...(text.match(/retryStatuses: .*/g) ?? [])]).toEqual(
      Array<string>(2).fill("retryStatuses: [] # default"),
    );
  });

  test("shows that a token is set, and never the token", () => {
    const { text, config } = check(undefined, "check --admin-host ::", { ADMIN_TOKEN: "s3cret" });
    expect(config.admin.token).toBe("s3cret");
    expect(text).toContain("# token: (set) # env ADMIN_TOKEN");
    expect(text).not.toContain("s3cret");
    expect(check(text, "check", { ADMIN_TOKEN: "s3cret" }).config).toEqual(config);
  });
});

describe("the effective configuration as a list", () => {
  const list = (text: string, argv = "proxy", env = {}) => {
    const { config, settings } = parsed("proxy", { argv, env, files: { "evenkeel.yaml": text } });
    return settings(config).map(({ name, value, source }) => `${name} = ${value} (${source})`);
  };

  test("has a line for each value, and one for each upstream and route", () => {
    const file = "admin:\n  port: 9001\npools:\n  main:\n    upstreams: [http://a, http://b;weight=3]\n";
    const lines = list(file, "proxy --policy p2c", { PROXY_PORT: "81" });
    for (const line of [
      "listen.port = 81 (env PROXY_PORT)",
      "admin.port = 9001 (file evenkeel.yaml:2)",
      "pools.main.policy = p2c (flag --policy)",
      "pools.main.probe.rise = 2 (default)",
      "pools.main.upstreams[1] = { url: http://b:80, weight: 3, backup: false } (file evenkeel.yaml:5)",
      "trustedProxies = [] (default)",
      "routes[0] = { pool: main } (default)",
    ]) {
      expect(lines).toContain(line);
    }
    expect(new Set(lines).size).toBe(lines.length);
  });

  test("shows that a token is set, and never the token", () => {
    const lines = list("pools: { main: { upstreams: [http://a] } }", "proxy", { ADMIN_TOKEN: "s3cret" });
    expect(lines).toContain("admin.token = (set) (env ADMIN_TOKEN)");
    expect(lines.join()).not.toContain("s3cret");
  });
});

/** A random configuration: every key is missing with a probability of one half. */
function randomFile(seed: number): string {
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item;
  const maybe = (value: object) => (random() < 0.5 ? value : {});
  const time = () => pick(["1ms", "1500ms", "2.5s", "90s", "1m", "0.7h", "100h"]);
  const upstream = (id: string) =>
    random() < 0.5
      ? `http://h${id}:${1 + Math.floor(random() * 65_535)};weight=${Math.floor(random() * 257)}`
      : {
          url: pick([`https://[2001:db8::${id}]`, `http://10.0.0.${id}`]),
          ...maybe({ backup: true }),
          ...maybe({ name: `0${id}` }),
        };
  const pool = (id: string) => ({
    ...maybe({ policy: pick(policyNames) }),
    ...maybe({ hashBy: pick(["uri", "header:X-A", "cookie:a.b"]) }),
    ...maybe({
      probe: {
        ...maybe({ path: "/a: #b?c=d".replace(/[ #]/g, "") }),
        ...maybe({ interval: time() }),
        ...maybe({ jitter: random() }),
      },
    }),
    ...maybe({ retryStatuses: pick([[], [503], [502, 504]]) }),
    ...maybe({ retryBudget: { ...maybe({ share: random() }), ...maybe({ perSecond: 7 }) } }),
    ...maybe({ maxRequestBody: pick(["0B", "1B", "1.5KiB", "10MB", "3GiB"]), maxInFlight: pick([1, 999]) }),
    ...maybe({
      slowStart: pick([0, "0", time()]),
      outlier: { ...maybe({ window: time(), maxEjected: random() }) },
    }),
    ...maybe({ timeouts: { ...maybe({ head: time() }), ...maybe({ connectionAge: pick([0, time()]) }) } }),
    upstreams: [upstream(`${id}1`), upstream(`${id}2`), upstream(`${id}3`)],
  });
  return JSON.stringify({
    ...maybe({ listen: { ...maybe({ port: 0 }), ...maybe({ host: pick(["::", "true", "1.2.3.4"]) }) } }),
    ...maybe({ state: pick([":memory:", "a b: #c.db", "null", "~", "é\"'\\.db"]) }),
    ...maybe({ drainTimeout: pick([0, "0", "0s", "90s"]) }),
    ...maybe({ trustedProxies: pick([[], ["10.0.0.0/8"], ["::1", "::/0"]]) }),
    ...maybe({
      pools: { yes: pool("1"), "b.c-d": pool("2") },
      ...maybe({ routes: [{ host: "*.A.b", path: "/x", pool: "yes" }] }),
    }),
  });
}

/** Number of random configurations; `EVERY_SEED=1` runs all seeds that were tried. */
const seeds = process.env["EVERY_SEED"] ? 200 : 60;

test("is a file with the same meaning, for any configuration", () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const file = randomFile(seed);
    const first = check(file);
    const again = check(first.text);
    expect(again.config).toEqual(first.config);
    expect(parseYaml(again.text)).toEqual(parseYaml(first.text));
  }
});
