import { describe, expect, test } from "bun:test";

import { startLoad } from "../support/load.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const served = JSON.stringify({ server: { name: "a" } });

describe("a reader of access log and log that stops reading", () => {
  // As with `2>&1 | collector`: the access log fills the pipe, then the process logs errors.
  test.each(["1", "2"])(
    "blocks neither requests nor the exit, with %s worker(s)",
    async (workers) => {
      await using programs = new Programs();
      const origin = await startOrigin((_, socket) => void socket.write(respondWith(served)));
      const proxy = programs.start([
        ...["sh", "-c", 'exec "$@" 2>&1', "sh", ...fromBuild],
        ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--engine", "wire"],
        ...["--workers", workers, "--access-log", "stdout", "--upstreams", origin.url],
      ]);
      const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
      proxy.child.stdout?.pause();
      const load = startLoad(`${url}/${"x".repeat(1_500)}`, 8);
      await until(() => load.count > 500, "the pipe to be full");
      // Each request writes an error line from now on.
      await origin.close();
      await until(() => load.failures.length > 100, "requests to fail without their upstream");
      const { count } = load;
      await until(() => load.count > count + 200, "more requests to complete");
      await load.stop();
      expect(load.worstMs()).toBeLessThan(2_000);
      expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    },
    20_000,
  );
});
