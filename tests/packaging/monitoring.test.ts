/** Alert rules and dashboard: their syntax, their own tests, and the names of metrics that the program really has. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parse, stringify } from "yaml";

import { TestAuthority } from "../support/acme-authority.ts";
import { readExposition } from "../support/exposition-format.ts";
import { temporaryFolder } from "../support/folder.ts";
import {
  hasPrograms,
  packagingFolder,
  packagingText,
  projectFolder,
  runProgram,
} from "../support/packaging.ts";
import { fromBuild, Programs } from "../support/program.ts";

const inFolder = temporaryFolder("monitoring");
const rulesFile = join(packagingFolder, "prometheus/evenkeel.rules.yaml");

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const rules = (parse(readFileSync(rulesFile, "utf8")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const alerts = rules.filter(({ alert }) => alert !== undefined);

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(packagingText("grafana", "evenkeel.json")) as {
  panels: Panel[];
  templating: { list: { name: string; query: string | { query: string } }[] };
  annotations: { list: { expr: string }[] };
};
const panelExpressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const queries = dashboard.templating.list.flatMap(({ query }) =>
  typeof query === "string" ? [] : [query.query],
);

/** Expressions of the dashboard with values for the variables that Grafana fills in. */
const filledIn = [...panelExpressions, ...dashboard.annotations.list.map(({ expr }) => expr)].map((expr) =>
  expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(job|instance|pool)\b/g, "a"),
);

const expressions = [...rules.map(({ expr }) => expr), ...filledIn, ...queries];

/** What the page of metrics says; a test of its own compares it with the program. */
const labelsOf = new Map(
  [...readFileSync(join(projectFolder, "docs/metrics.md"), "utf8").matchAll(/^## (\w+)\n\n\w+(.*)\.$/gm)].map(
    ([, name = "", labels = ""]) => [name, [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label)],
  ),
);

/** Names of metrics in an expression, without the endings of histograms. */
const metricsIn = (expr: string) =>
  [...expr.matchAll(/\b(evenkeel_\w+)/g)].map(([, name = ""]) => familyOf(name));

function familyOf(name: string): string {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  return labelsOf.has(name) ? name : base;
}

describe("metrics that the rules and the dashboard use", () => {
  let real: ReadonlyMap<string, unknown>;

  /** Every kind of metric: workers, certificates, orders, a limit of memory, a source of members and a fleet. */
  beforeAll(async () => {
    await using programs = new Programs();
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.pair("a.example.com");
    writeFileSync(inFolder("a.pem"), cert);
    writeFileSync(inFolder("a.key"), key);
    const certificates = [
      { cert: inFolder("a.pem"), key: inFolder("a.key") },
      { acme: { directory: "https://127.0.0.1:9/", email: "a@example.com", agree: true } },
    ];
    const file = {
      listen: [
        { name: "tls", host: "127.0.0.1", port: 0, tls: true },
        { name: "plain", host: "127.0.0.1", port: 0 },
      ],
      certificates,
      pools: { main: { upstreams: ["http://127.0.0.1:9", { file: inFolder("members.yaml") }] } },
      fleet: { name: "lb-1", redis: "redis://127.0.0.1:9", keyFile: inFolder("fleet.key") },
      routes: [{ host: ["a.example.com", "b.example.com"], pool: "main" }],
      workers: 2,
      maxMemory: "2GiB",
    };
    writeFileSync(inFolder("fleet.key"), "k".repeat(32), { mode: 0o600 });
    writeFileSync(inFolder("members.yaml"), "members: [http://127.0.0.1:10]\n");
    writeFileSync(inFolder("evenkeel.yaml"), stringify(file));
    const argv = ["proxy", "--config", inFolder("evenkeel.yaml"), "--admin-port", "0"];
    const program = programs.start([...fromBuild, ...argv], { EVENKEEL_STATE: inFolder("state.db") });
    const response = await fetch(`http://127.0.0.1:${await program.port("admin", 20_000)}/metrics`);
    real = readExposition(await response.text()).families;
  }, 30_000);

  test("exist in the output of the program", () => {
    const used = [...new Set(expressions.flatMap(metricsIn))];
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter((name) => !real.has(name))).toEqual([]);
  });

  test("have the labels that the expressions select and group by", () => {
    const ofPrometheus = ["job", "instance", "le"];
    const wrong = expressions.flatMap((expr) =>
      [...expr.matchAll(/\b(evenkeel_\w+)\s*\{([^}]*)\}/g)].flatMap(([, name = "", inside = ""]) => {
        const known = [...(labelsOf.get(familyOf(name)) ?? []), ...ofPrometheus];
        const labels = [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = ""]) => label);
        return labels.filter((label) => !known.includes(label)).map((label) => `${name} ${label}`);
      }),
    );
    expect(wrong).toEqual([]);
    for (const expr of expressions) {
      const known = [
        ...new Set(metricsIn(expr).flatMap((name) => labelsOf.get(name) ?? [])),
        ...ofPrometheus,
      ];
      // Rules that were recorded have the labels of their names.
      if (metricsIn(expr).length === 0) continue;
      const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = ""]) =>
        labels.split(/, */),
      );
      expect({ expr, unknown: grouped.filter((label) => !known.includes(label)) }).toEqual({
        expr,
        unknown: [],
      });
    }
  });

  test("are, where one is for alerts, the metrics of the hardening checklist too", () => {
    const listed = readFileSync(join(projectFolder, "docs/security.md"), "utf8").split("Alert on")[1] ?? "";
    const used = alerts.flatMap(({ expr }) => metricsIn(expr));
    for (const [, name = ""] of listed.matchAll(/`(evenkeel_\w+)`/g)) expect(used).toContain(name);
  });
});

describe("the alert rules", () => {
  test("have a level, and a text for people", () => {
    expect(alerts.length).toBeGreaterThan(15);
    for (const { alert = "", labels, annotations } of alerts) {
      expect(`${alert} ${labels?.["severity"]}`).toMatch(/^Evenkeel\w+ (critical|warning)$/);
      expect(annotations?.["summary"]).toMatch(/\.$/);
      expect(annotations?.["description"]).toMatch(/[.?]$/);
    }
  });

  test("each has a test that expects it to fire, and the page about running explains it", () => {
    const tests = parse(packagingText("prometheus", "evenkeel.rules.test.yaml")) as {
      tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    const fired = new Set(
      tests.tests.flatMap(({ alert_rule_test: cases = [] }) =>
        cases.filter(({ exp_alerts }) => exp_alerts.length > 0).map(({ alertname }) => alertname),
      ),
    );
    const page = readFileSync(join(projectFolder, "docs/running.md"), "utf8");
    for (const { alert = "" } of alerts) {
      expect(fired).toContain(alert);
      expect(page).toContain(`\`${alert}\``);
    }
  });
});

describe.skipIf(!hasPrograms("tests of alert rules and dashboard", "promtool"))("promtool", () => {
  test("accepts the rules", async () => {
    const { code, out, err } = await runProgram(["promtool", "check", "rules", "--lint=all", rulesFile]);
    expect({ code, err, out }).toMatchObject({ code: 0 });
    expect(out).toContain(`SUCCESS: ${rules.length} rules found`);
  });

  test("finds that each alert fires when it should, and only then", async () => {
    const { code, out, err } = await runProgram(["promtool", "test", "rules", "evenkeel.rules.test.yaml"], {
      cwd: join(packagingFolder, "prometheus"),
    });
    expect({ code, text: code === 0 ? "" : out + err }).toEqual({ code: 0, text: "" });
  });

  test("accepts the configurations of the page about running", async () => {
    const page = readFileSync(join(projectFolder, "docs/running.md"), "utf8");
    const blocks = [...page.matchAll(/```yml\n(.*?)```/gs)].map(([, text = ""]) => text);
    const configurations = blocks.filter((text) => text.includes("scrape_configs"));
    expect(configurations).toHaveLength(2);
    for (const text of configurations) {
      // Debian's promtool is built without Kubernetes.
      writeFileSync(
        inFolder("prometheus.yml"),
        text.replace(/kubernetes_sd_configs: .*/, "static_configs: []"),
      );
      const words = ["check", "config", "--syntax-only", inFolder("prometheus.yml")];
      const { code, out, err } = await runProgram(["promtool", ...words]);
      expect({ code, text: code === 0 ? "" : out + err }).toEqual({ code: 0, text: "" });
      expect((parse(text) as { scrape_configs: { job_name: string }[] }).scrape_configs[0]?.job_name).toBe(
        "evenkeel",
      );
    }
  });

  test("parses each expression of the dashboard", async () => {
    const recorded = filledIn.map((expr, index) => ({ record: `panel:${index}`, expr }));
    writeFileSync(inFolder("panels.yaml"), stringify({ groups: [{ name: "panels", rules: recorded }] }));
    const { code, out, err } = await runProgram(["promtool", "check", "rules", inFolder("panels.yaml")]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(`SUCCESS: ${filledIn.length} rules found`);
  });
});

describe("the dashboard", () => {
  test("has panels with titles and ids of their own that do not overlap", () => {
    const { panels } = dashboard;
    expect(panels.length).toBeGreaterThan(20);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          const cell = `${x} ${y}`;
          expect(`${title}, ${taken.get(cell) ?? title}`).toBe(`${title}, ${title}`);
          taken.set(cell, title);
        }
    }
  });

  test("uses only variables that it defines", () => {
    const defined = dashboard.templating.list.map(({ name }) => name);
    const used = JSON.stringify(dashboard).matchAll(/\$\{?(\w+)\}?/g);
    const unknown = [...used].map(([, name = ""]) => name).filter((name) => !name.startsWith("__"));
    expect([...new Set(unknown)].toSorted()).toEqual(defined.toSorted());
  });
});
