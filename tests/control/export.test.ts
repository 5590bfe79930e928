import { describe, expect, test } from "bun:test";

import { exportYaml } from "../../src/control/export.ts";
import { desiredConfig } from "../../src/control/desired-state.ts";
import { readFileText } from "../../src/config/yaml-file.ts";
import { parsed } from "../cli/fake.ts";
import { configOf, intentOf } from "../support/configs.ts";

const config = configOf("main: a b | api: c d");

function exported(...set: string[]): string {
  const intents = set.map(intentOf);
  return exportYaml(config, desiredConfig(config, intents), intents);
}

describe("the export of run-time settings", () => {
  test("is an empty configuration if nothing was set", () =>
    expect(exported()).toBe("# Nothing was set at run time.\n\n{}\n"));

  test("has the changed pools, each line with actor, time and reason", () => {
    const text = exported(
      "weight a 0",
      "added main/e;weight=2;backup",
      "removed main/b",
      "mode a maintenance",
    );
    expect(text).toBe(`# Set at run time: these lists replace the ones in the configuration file.

pools:
  main:
    upstreams:
      - { url: http://10.0.0.1:80, name: a, weight: 0 } # weight set by ann at 1970-01-01T00:00:00.001Z: because; mode maintenance by ann at 1970-01-01T00:00:00.001Z: because
      - { url: http://10.0.0.5:80, name: e, weight: 2, backup: true } # added by ann at 1970-01-01T00:00:00.001Z: because
      # b removed by ann at 1970-01-01T00:00:00.001Z: because
`);
  });

  test("loads as the current desired configuration", () => {
    const set = ["weight c 7", "added api/e@10.7.7.7", "removed main/b"];
    const files = { "evenkeel.yaml": exported(...set) };
    const again = parsed("proxy", { argv: "proxy", files }).config;
    const desired = desiredConfig(config, set.map(intentOf));
    expect(again.pools.map(({ upstreams }) => upstreams)).toEqual(
      desired.pools.map(({ upstreams }) => upstreams),
    );
  });

  test("stays valid YAML with any reason that an operator wrote", () => {
    const intent = { ...intentOf("weight a 3"), why: "a\n}]: # - {\u2028'\"" };
    const text = exportYaml(config, desiredConfig(config, [intent]), [intent]);
    expect(readFileText(text, "x")).toMatchObject({
      value: { pools: { main: { upstreams: [{ weight: 3 }, {}] } } },
    });
  });
});
