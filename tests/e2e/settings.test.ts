import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import type { Setting } from "../../src/config/effective.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";

const inFolder = temporaryFolder("settings");

test("the shown configuration is the effective one, also after a reload", async () => {
  await using programs = new Programs();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const file = inFolder("evenkeel.yaml");
  const write = (retries: string) =>
    writeFileSync(file, `pools:\n  main:\n    upstreams: [${origin.url}]\n${retries}`);
  write("");
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--config", file],
  );
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  await proxy.port("balancer");
  const retries = async () => {
    const { settings } = (await (await fetch(`${admin}/api/config`)).json()) as { settings: Setting[] };
    const found = settings.find(({ name }) => name === "pools.main.retries");
    return `${found?.value} ${found?.source.replace(inFolder(), "")}`;
  };
  expect(await retries()).toBe("1 default");
  write("    retries: 2\n");
  expect(await retries()).toBe("1 default");
  expect((await fetch(`${admin}/api/reload`, { method: "POST" })).status).toBe(200);
  expect(await retries()).toBe("2 file /evenkeel.yaml:4");
  await origin.close();
});
