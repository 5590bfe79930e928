import { describe, expect, test } from "bun:test";

import { alertSecretsOf, shownAddress } from "../../src/config/alerts.ts";
import { effectiveYaml } from "../../src/config/effective.ts";
import { loadConfig, warningsIn } from "../../src/config/load.ts";
import { describeConfigError } from "../../src/config/problem.ts";

import { readFileText } from "../../src/config/yaml-file.ts";
import { planSteps } from "../../src/control/plan.ts";
import { Extensions } from "../../src/extension/extensions.ts";

const files: Readonly<Record<string, string>> = {
  "/key": `${"k".repeat(32)}\n`,
  "/other-key": "o".repeat(40),
  "/short": "short",
  "/two": "one\ntwo",
  "/slack": "https://hooks.slack.com/services/T0/B0/XXXXXXXX\n",
  "/routing": "R0UT1NGKEY\n",
  "/metadata": "http://169.254.169.254/latest",
  "/bytes": Buffer.from([...Array.from({ length: 40 }, (_, index) => 200 + index)]).toString(),
  "/ca.pem": "-----BEGIN CERTIFICATE-----\n",
};

function load(text: string, secret?: string) {
  return loadConfig({
    values:
      secret === undefined
        ? []
        : [
            {
              path: ["alertSecret"],
              value: secret,
              text: secret,
              name: "EVENKEEL_ALERT_SECRET",
              origin: "env",
            },
          ],
    file: readFileText(text, "evenkeel.yaml"),
    read: (path) => files[path],
    extensions: {
      find: () => new Extensions({ alertFormats: { tickets: () => ({ body: "" }) } }),
      defaultPath: "e.ts",
    },
    defaultState: ":memory:",
    purpose: "check",
  });
}

function configOf(text: string, secret?: string) {
  const loaded = load(text, secret);
  if (loaded.kind === "invalid") throw new Error(describeConfigError(loaded));
  return loaded;
}

function problemsOf(text: string, secret?: string): string {
  const loaded = load(text, secret);
  return loaded.kind === "invalid" ? describeConfigError(loaded) : "";
}

const three = `
dashboard: { url: "https://lb.example.com/" }
alerts:
  - { name: On-call, format: pagerduty, level: critical, secretFile: /routing }
  - { format: slack, pools: [main], secretFile: /slack }
  - { url: "https://ops.example.com/hook", kinds: [certificate], level: notice, secretFile: /key, ca: /ca.pem }
`;

describe("receivers of alerts", () => {
  test("get their secrets from files, and defaults", () => {
    const { config } = configOf(three);
    expect(config.dashboardUrl).toBe("https://lb.example.com");
    expect(config.alerts).toEqual([
      {
        ...{ name: "On-call", format: "pagerduty", url: "https://events.pagerduty.com/v2/enqueue" },
        ...{ isUrlSecret: false, level: "critical", secretFile: "/routing", secret: "R0UT1NGKEY" },
      },
      {
        ...{ name: "slack", format: "slack", url: "https://hooks.slack.com/services/T0/B0/XXXXXXXX" },
        ...{ isUrlSecret: true, level: "warning", pools: ["main"], secretFile: "/slack" },
      },
      {
        ...{
          name: "ops.example.com",
          format: "json",
          url: "https://ops.example.com/hook",
          isUrlSecret: false,
        },
        ...{ kinds: ["certificate"], level: "notice", secretFile: "/key", secret: "k".repeat(32) },
        ca: { path: "/ca.pem", text: files["/ca.pem"] ?? "" },
      },
    ]);
    expect(config.alerts.map(shownAddress)).toEqual([
      "events.pagerduty.com/v2/enqueue",
      "hooks.slack.com/…",
      "ops.example.com/hook",
    ]);
  });

  test("never show a secret: in the effective configuration, in a plan, in problems", () => {
    const loaded = configOf(`${three}  - { name: shared, url: "https://b.example.com/" }\n`, "s".repeat(32));
    const shown = effectiveYaml(loaded, loaded.sourceOf);
    expect(shown).toContain("alertSecret: (set) # env EVENKEEL_ALERT_SECRET");
    expect(shown).toContain("secretFile: /slack");
    const plan = JSON.stringify(planSteps(configOf("{}").config, loaded.config));
    for (const secret of ["XXXXXXXX", "R0UT1NGKEY", "kkkkkk", "ssssss"]) {
      expect(shown).not.toContain(secret);
      expect(plan).not.toContain(secret);
    }
  });

  test("change by a reload, also when only a secret is another one", () => {
    const before = configOf('alerts: [{ url: "https://a.example/", secretFile: /key }]').config;
    const after = configOf('alerts: [{ url: "https://a.example/", secretFile: /other-key }]').config;
    expect(planSteps(before, before)).toEqual([]);
    expect(planSteps(before, after).map(({ key, needsRestart = false }) => [key, needsRestart])).toEqual([
      ["alerts[0]", false],
      ["alerts[0].secret", false],
    ]);
    expect(Object.keys(alertSecretsOf(after.alerts))).toEqual(["alerts[0].secret"]);
  });

  test("warn where alerts travel in clear text, but not on loopback", () => {
    const warn = (url: string) =>
      warningsIn(configOf(`alerts: [{ url: "${url}", secretFile: /key }]`).config, 0).join();
    expect(warn("http://ops.example.com/")).toMatch(/^alerts ops\.example\.com: its URL is http/);
    expect(warn("http://127.0.0.1:9/")).toBe("");
    expect(warn("http://[::1]:9/")).toBe("");
  });
});

describe("a receiver is refused with path, value and what to write instead", () => {
  const refused: readonly (readonly [text: string, sentence: string])[] = [
    [
      "alerts: [{ secretFile: /key }]",
      "Cannot use alerts[0] at evenkeel.yaml:1:10: set url, such as https://ops.example.com/hook, to where alerts go.",
    ],
    [
      'alerts: [{ url: "https://a.example/" }]',
      "Cannot use alerts[0] at evenkeel.yaml:1:10: set secretFile to the path of a file with a key of at least 32 bytes, or EVENKEEL_ALERT_SECRET: what is sent is signed.",
    ],
    ["alerts: [{ format: slack }]", "set secretFile to the path of a file with the URL of the webhook"],
    ["alerts: [{ format: pagerduty }]", "set secretFile to the path of a file with the routing key"],
    [
      'alerts: [{ format: slack, url: "https://hooks.slack.com/services/XXXXXXXX", secretFile: /slack }]',
      "Cannot use alerts[0].url at evenkeel.yaml:1:32: the URL of a webhook of Slack is a secret; write it into a file, and set secretFile to its path instead of url.",
    ],
    [
      'alerts: [{ url: "https://hooks.slack.com/services/XXXXXXXX", secretFile: /key }]',
      "this is a webhook of Slack: set format: slack",
    ],
    [
      'alerts: [{ url: "https://ann:XXXXXXXX@a.example/", secretFile: /key }]',
      "a user name or password is not allowed",
    ],
    [
      'alerts: [{ url: "https://a.example/?token=XXXXXXXX", secretFile: /key }]',
      "a query is not allowed, because this URL is shown and queries often hold tokens",
    ],
    [
      'alerts: [{ url: "ftp://a.example/", secretFile: /key }]',
      'the protocol must be http or https (received "ftp://a.example/")',
    ],
    [
      'alerts: [{ url: "a.example/hook", secretFile: /key }]',
      'expected a URL such as https://ops.example.com/hook (received "a.example/hook")',
    ],
    [
      'alerts: [{ url: "http://169.254.169.254/latest", secretFile: /key }]',
      'its host is link-local, where clouds serve this machine\'s credentials; allowLinkLocal: true accepts it (received "http://169.254.169.254/latest")',
    ],
    ['alerts: [{ url: "http://[::ffff:169.254.169.254]/", secretFile: /key }]', "its host is link-local"],
    ['alerts: [{ url: "http://2852039166/", secretFile: /key }]', "its host is link-local"],
    ['alerts: [{ url: "http://[2002:a9fe:a9fe::1]/", secretFile: /key }]', "its host is link-local"],
    ['alerts: [{ url: "http://metadata.google.internal./", secretFile: /key }]', "its host is link-local"],
    [
      'alerts: [{ url: "http://HOOKS.slack.com.:80/services/X", secretFile: /key }]',
      "this is a webhook of Slack",
    ],
    [
      'alerts: [{ url: "https://hooks.slack-gov.com/services/X", secretFile: /key }]',
      "this is a webhook of Slack",
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /bytes }]',
      'expected text, such as openssl rand -hex 32 prints (received "/bytes")',
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, kinds: [balancer_gone] }]',
      "Cannot use alerts[0].kinds[0] at evenkeel.yaml:1:65: expected one of front_door, ",
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, kinds: [panic, panic] }]',
      "expected a list of kinds of problems, each once",
    ],
    ['alerts: [{ url: "http://0.0.0.0/", secretFile: /key }]', "its host is the address of no server"],
    [
      "alerts: [{ format: slack, secretFile: /metadata }]",
      "its line is no usable URL of a webhook: its host is link-local",
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /short }]',
      'expected at least 32 bytes (received "/short")',
    ],
    ['alerts: [{ url: "https://a.example/", secretFile: /two }]', "expected one line"],
    ['alerts: [{ url: "https://a.example/", secretFile: /missing }]', 'file not found (received "/missing")'],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, ca: /key }]',
      "Cannot use alerts[0].ca at evenkeel.yaml:1:61: expected a PEM file",
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, kinds: [upstream_eror] }]',
      'did you mean "upstream_errors"?',
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, level: fatal }]',
      "expected one of critical, warning, notice",
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, pools: [mian] }]',
      'Cannot use alerts[0].pools[0] at evenkeel.yaml:1:65: no such pool (received "mian"); did you mean "main"?',
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, format: extension:ticket }]',
      'no extension has this name (received "ticket"); did you mean "tickets"?',
    ],
    [
      'alerts: [{ url: "https://a.example/", secretFile: /key, format: teams }]',
      "expected one of json, slack, pagerduty, or extension:NAME",
    ],
    ['alerts: [{ url: "https://a.example/", secrt: /key }]', "unknown key"],
    [
      'alerts: [{ url: "https://a.example/1", secretFile: /key }, { url: "https://a.example/2", secretFile: /key }]',
      "alerts[0] already has the name a.example; set another name",
    ],
    [
      "alertSecret: XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
      "a secret is not allowed here; set EVENKEEL_ALERT_SECRET, or secretFile of the receiver",
    ],
    [
      `alerts: [${Array.from({ length: 17 }, (_, index) => `{ name: r${index}, url: "https://a.example/", secretFile: /key }`).join()}]`,
      "expected a list of at most 16 receivers",
    ],
    ['frontDoor: "http://2852039166/"', "Cannot use frontDoor at evenkeel.yaml:1:12: its host is link-local"],
    ['frontDoor: "http://[fe80::1]/"', "its host is link-local"],
    ['frontDoor: "http://0.0.0.0/"', "its host is the address of no server"],
    ['frontDoor: "http://shop.example:0/"', "the port must be from 1 to 65535"],
    [
      'dashboard: { url: "https://ann:XXXXXXXX@lb.example/" }',
      "expected a URL such as https://lb.example.com",
    ],
  ];
  for (const [text, sentence] of refused)
    test(text.slice(0, 90), () => {
      const problems = problemsOf(text);
      expect(problems).toContain(sentence);
      expect(problems.replace(/received "https:\/\/ann.*/, "")).not.toContain("XXXXXXXX");
    });

  test("a shared secret that is too short", () => {
    expect(problemsOf("{}", "short")).toBe("Cannot use EVENKEEL_ALERT_SECRET: expected at least 32 bytes.");
  });

  test("link-local addresses are accepted with allowLinkLocal", () => {
    const text = 'alerts: [{ url: "http://169.254.1.1/", secretFile: /key }]\nallowLinkLocal: true';
    expect(problemsOf(text)).toBe("");
    expect(problemsOf('frontDoor: "http://169.254.1.1/"\nallowLinkLocal: true')).toBe("");
  });
});
