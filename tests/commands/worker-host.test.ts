import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";

import { runtime } from "#runtime";

import { workerHost } from "../../src/commands/worker-host.ts";

test("one worker is this process; auto is one per core", () => {
  expect(workerHost({ workers: 1, engine: "wire" }, runtime)).toBeUndefined();
  expect(workerHost({ workers: 3, engine: "wire" }, runtime)?.count).toBe(3);
  const cores = Math.min(64, availableParallelism());
  expect(workerHost({ workers: "auto", engine: "wire" }, runtime)?.count ?? 1).toBe(cores);
});
