import { describe, expect, test } from "bun:test";

import { warningsIn } from "../../src/config/load.ts";
import { planSteps, reloadableConfig } from "../../src/control/plan.ts";
import { parsed, problemsOf } from "../cli/fake.ts";

const pools = "pools: { web: { upstreams: [http://a] } }\n";
const pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const key = "k".repeat(32);

const input = (fleet: string, env = {}, files = {}) => ({
  argv: "check",
  env,
  files: { "evenkeel.yaml": `${pools}fleet: ${fleet}\n`, ...files },
});
const configOf = (...given: Parameters<typeof input>) => parsed("check", input(...given)).config;
const least = "{ name: b1, redis: redis://10.0.0.5 }";

describe("the settings of a fleet", () => {
  test("need a name and a server, and have defaults", () => {
    expect(configOf(least).fleet).toEqual({
      ...{ name: "b1", group: "evenkeel" },
      store: { kind: "server", hostname: "10.0.0.5", port: 6379, database: 0 },
    });
    expect(
      parsed("check", { files: { "evenkeel.yaml": pools }, argv: "check" }).config.fleet,
    ).toBeUndefined();
  });

  test("take every key, and their effective form has the same meaning", () => {
    const files = {
      pass: "secret-word\n",
      sealing: `${key}\n`,
      "ca.pem": pem,
      "c.pem": pem,
      "k.pem": pem,
      sentinel: "sentinel-word",
    };
    const text =
      "{ name: b1, group: shop, redis: 'rediss://[2001:db8::5]:6380/2', user: ek, passwordFile: pass, keyFile: sealing, " +
      "url: 'https://lb1.example.com/', tls: { ca: ca.pem, serverName: redis.internal, cert: c.pem, key: k.pem } }";
    const command = parsed("check", input(text, {}, files));
    expect(command.config.fleet).toEqual({
      ...{ name: "b1", group: "shop", user: "ek", url: "https://lb1.example.com", key, keyFile: "sealing" },
      ...{ password: "secret-word", passwordFile: "pass" },
      store: { kind: "server", hostname: "2001:db8::5", port: 6380, database: 2 },
      tls: {
        ...{ ca: pem, caPath: "ca.pem", serverName: "redis.internal" },
        clientCertificate: { certPath: "c.pem", keyPath: "k.pem", cert: pem, key: pem },
      },
    });
    const again = parsed("check", { argv: "check", files: { ...files, "evenkeel.yaml": command.text } });
    expect(again.config).toEqual(command.config);
    for (const secret of ["secret-word", key]) expect(command.text).not.toContain(secret);
    const sentinels =
      "{ name: b1, sentinels: ['10.0.0.5', 'h:27000'], master: lead, sentinelPasswordFile: sentinel, tls: {} }";
    const other = parsed("check", input(sentinels, {}, files));
    expect(other.config.fleet).toMatchObject({
      store: {
        ...{ kind: "sentinels", master: "lead" },
        sentinels: [
          { hostname: "10.0.0.5", port: 26379 },
          { hostname: "h", port: 27000 },
        ],
      },
      ...{ sentinelPassword: "sentinel-word", tls: {} },
    });
    const effective = parsed("check", { argv: "check", files: { ...files, "evenkeel.yaml": other.text } });
    expect(effective.config).toEqual(other.config);
  });

  test("come from variables too, and secrets show only that they are set", () => {
    const env = {
      ...{ EVENKEEL_FLEET_NAME: "b2", EVENKEEL_FLEET_REDIS: "redis://h", EVENKEEL_FLEET_URL: "http://l" },
      ...{ EVENKEEL_FLEET_PASSWORD: "hidden-word", EVENKEEL_FLEET_KEY: key },
    };
    const command = parsed("check", { argv: "check", env, files: { "evenkeel.yaml": pools } });
    expect(command.config.fleet).toMatchObject({ name: "b2", password: "hidden-word", key, url: "http://l" });
    expect(command.text).toContain("# fleet.password: (set) # env EVENKEEL_FLEET_PASSWORD");
    expect(command.text).toContain("# fleet.key: (set) # env EVENKEEL_FLEET_KEY");
    for (const secret of ["hidden-word", key]) expect(command.text).not.toContain(secret);
  });

  test.each([
    ["{}", "fleet at evenkeel.yaml:2:8: set name, or EVENKEEL_FLEET_NAME, to a name for this balancer."],
    ["{}", "fleet at evenkeel.yaml:2:8: set one of redis and sentinels, to say where the store is."],
    [
      "{ name: a, redis: redis://h, sentinels: [s], master: m }",
      "fleet at evenkeel.yaml:2:8: set one of redis and sentinels, to say where the store is.",
    ],
    [
      "{ name: a, sentinels: [s] }",
      "fleet at evenkeel.yaml:2:8: sentinels and master belong together; set both.",
    ],
    [
      "{ name: a, redis: http://h }",
      'fleet.redis at evenkeel.yaml:2:26: expected a URL such as rediss://redis.internal:6379 (received "http://h").',
    ],
    [
      "{ name: a, redis: 'redis://h/0?x=1' }",
      'fleet.redis at evenkeel.yaml:2:26: expected nothing after the port but the number of a database (received "redis://h/0?x=1").',
    ],
    [
      "{ name: a, redis: 'redis://h:0' }",
      'fleet.redis at evenkeel.yaml:2:26: the port must be from 1 to 65535 (received "redis://h:0").',
    ],
    [
      "{ name: a, sentinels: ['h:0'], master: m }",
      'fleet.sentinels[0] at evenkeel.yaml:2:31: expected an address such as 10.0.0.5:26379 (received "h:0").',
    ],
    [
      "{ name: a, redis: redis://h, url: 'https://h:99999' }",
      'fleet.url at evenkeel.yaml:2:42: expected a URL such as https://lb1.example.com (received "https://h:99999").',
    ],
    [
      "{ name: a b, redis: redis://h }",
      'fleet.name at evenkeel.yaml:2:16: expected a name: at most 63 letters, digits and . _ -, starting with a letter or digit (received "a b").',
    ],
    [
      "{ name: a, redis: redis://h, tls: {} }",
      "fleet.tls at evenkeel.yaml:2:42: the URL must be rediss:// for TLS.",
    ],
    [
      "{ name: a, redis: rediss://h, tls: { cert: c.pem } }",
      "fleet.tls at evenkeel.yaml:2:43: cert and key belong together; set both.",
    ],
    [
      "{ name: a, sentinels: ['a b'], master: m }",
      'fleet.sentinels[0] at evenkeel.yaml:2:31: expected an address such as 10.0.0.5:26379 (received "a b").',
    ],
    [
      "{ name: a, redis: redis://h, passwordFile: gone }",
      'fleet.passwordFile at evenkeel.yaml:2:51: file not found (received "gone").',
    ],
    [
      "{ name: a, redis: redis://h, keyFile: short }",
      'fleet.keyFile at evenkeel.yaml:2:46: expected at least 32 bytes (received "short").',
    ],
    [
      "{ name: a, redis: rediss://h, tls: { ca: short } }",
      'fleet.tls.ca at evenkeel.yaml:2:49: expected a PEM file (received "short").',
    ],
    [
      "{ name: a, redis: redis://h, passwordFil: x }",
      'fleet.passwordFil at evenkeel.yaml:2:37: unknown key; did you mean "passwordFile"?',
    ],
    [
      "{ name: a, redis: redis://h, passwrd: x }",
      "fleet.passwrd at evenkeel.yaml:2:37: unknown key; expected one of name, group, redis, sentinels, master, user, passwordFile, sentinelPasswordFile, tls, keyFile, url.",
    ],
    ["{ name: a, redi: redis://h }", 'fleet.redi at evenkeel.yaml:2:19: unknown key; did you mean "redis"?'],
    [
      "{ name: a, redis: redis://h, sentinelPasswordFile: short }",
      "fleet.sentinelPasswordFile at evenkeel.yaml:2:59: there are no sentinels that could ask for it.",
    ],
  ])("%s is refused", (fleet, sentence) =>
    expect(problemsOf(input(fleet, {}, { short: "too-short", "c.pem": pem }))).toContain(
      `Cannot use ${sentence}`,
    ),
  );

  test("refuse secrets in the file and twice, without a quotation", () => {
    const problems = (fleet: string, env = {}) =>
      problemsOf(input(fleet, env, { pass: "from-file", sealing: key })).join("\n");
    const inUrl = problems("{ name: a, redis: 'redis://u:hidden-word@h' }");
    expect(inUrl).toContain("the URL must not contain a user name or password");
    const inFile = problems("{ name: a, redis: redis://h, password: hidden-word, key: hidden-word }");
    expect(inFile).toContain("a secret is not allowed here; set passwordFile to the path of a file");
    expect(inFile).toContain("or EVENKEEL_FLEET_KEY");
    const twice = problems("{ name: a, redis: redis://h, passwordFile: pass, keyFile: sealing }", {
      EVENKEEL_FLEET_PASSWORD: "hidden-word",
      EVENKEEL_FLEET_KEY: "hidden-word",
    });
    expect(twice).toContain("Cannot use EVENKEEL_FLEET_PASSWORD: fleet.passwordFile is set too");
    expect(twice).toContain("Cannot use EVENKEEL_FLEET_KEY: fleet.keyFile is set too");
    const short = problems("{ name: a, redis: redis://h }", { EVENKEEL_FLEET_KEY: "hidden-word" });
    expect(short).toContain("Cannot use EVENKEEL_FLEET_KEY: expected at least 32 bytes.");
    for (const text of [inUrl, inFile, twice, short]) expect(text).not.toContain("hidden-word");
  });

  test("need a restart, and a changed secret shows as changed", () => {
    const before = configOf("{ name: b1, redis: redis://h }", { EVENKEEL_FLEET_PASSWORD: "one-word" });
    const after = configOf("{ name: b2, redis: redis://h }", { EVENKEEL_FLEET_PASSWORD: "two-word" });
    const steps = planSteps(before, after);
    expect(steps.map(({ key: name, needsRestart }) => [name, needsRestart])).toEqual([
      ["fleet.name", true],
      ["fleet.password", true],
    ]);
    expect(JSON.stringify(steps)).not.toMatch(/one-word|two-word/);
    expect(reloadableConfig(before, after).fleet).toEqual(before.fleet);
  });

  test("warn of a password without TLS, but on this machine", () => {
    const env = { EVENKEEL_FLEET_PASSWORD: "word" };
    expect(warningsIn(configOf(least, env), 0)).toContain(
      "fleet: the password goes to the store without TLS; use rediss:// or tls",
    );
    for (const quiet of ["{ name: a, redis: redis://127.0.0.1 }", "{ name: a, redis: rediss://h }"])
      expect(warningsIn(configOf(quiet, env), 0).join()).not.toContain("without TLS");
  });
});
