import { describe, expect, test } from "bun:test";

import { reloadableConfig, planSteps } from "../../src/control/plan.ts";
import { describeStep } from "../../src/control/step.ts";
import { configOf } from "../support/configs.ts";

const ann = { name: "ann", role: "admin", passwordHash: "$argon2id$one" } as const;
const bob = { name: "bob", role: "viewer", passwordHash: "$argon2id$two" } as const;
const ci = { name: "ci", role: "operator", tokenHash: "sha256:three" } as const;

const config = configOf("main: a");
const withAdmin = (admin: object) => ({ ...config, admin: { ...config.admin, ...admin } });

describe("accounts at a reload", () => {
  test("change at once, and the plan shows names and roles but no secret", () => {
    const steps = planSteps(withAdmin({ users: [ann] }), withAdmin({ users: [{ ...ann, role: "viewer" }, bob], tokens: [ci] }));
    expect(steps.map(describeStep)).toEqual([
      "~ setting: admin.users ann (admin) → ann (viewer), bob (viewer)",
      "~ setting: admin.tokens none → ci (operator)",
    ]);
    const second = planSteps(withAdmin({ users: [ann] }), withAdmin({ users: [{ ...ann, passwordHash: "$argon2id$new" }] }));
    expect(second.map(describeStep)).toEqual(["~ setting: admin.users (secret changed)"]);
    expect(JSON.stringify([steps, second])).not.toMatch(/argon2|sha256/);
  }); // prettier-ignore

  test("apply without a restart, while the listener and its token do not", () => {
    const running = withAdmin({ token: "old", users: [ann] });
    const next = withAdmin({ hostname: "0.0.0.0", port: 1, token: "new", users: [bob], tokens: [ci] });
    expect(reloadableConfig(running, next).admin).toEqual({
      ...config.admin,
      token: "old",
      users: [bob],
      tokens: [ci],
    });
    expect(reloadableConfig(running, withAdmin({})).admin).toEqual({ ...config.admin, token: "old" });
  });

  test("are kept on a public listener until the restart that moves it to loopback", () => {
    const running = withAdmin({ hostname: "0.0.0.0", users: [ann] });
    expect(reloadableConfig(running, withAdmin({ hostname: "127.0.0.1" })).admin).toEqual(running.admin);
  });
});
