import { expect, test } from "bun:test";

import { engineNames } from "../../src/config/config.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

test.each([...engineNames])(
  "evenkeel explain describes a request that the %s engine retried, in sentences and in tables",
  async (engine) => {
    await using programs = new Programs();
    const broken = await startOrigin((_, socket) => void socket.destroy());
    const whole = await startOrigin((_, socket) => void socket.write(respondWith("whole")));
    const proxy = programs.evenkeel(
      ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--engine", engine],
      ...["--policy", "first", "--upstreams", `${broken.url};name=broken,${whole.url};name=whole`],
    );
    const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    const id = "asked:1";
    expect(await (await fetch(`${url}/page?q=1`, { headers: { "X-Request-Id": id } })).text()).toBe("whole");
    const isKept = async () =>
      (await fetch(`${admin}/api/requests/${encodeURIComponent(id)}`)).status === 200;
    await until(isKept, "the record");
    const explain = async (...argv: string[]) => {
      const program = programs.start([...fromBuild, "explain", ...argv], { ADMIN_URL: admin });
      return { ...(await program.exited), out: program.stdout, err: program.stderr };
    };
    const explained = await explain(id);
    expect(explained).toMatchObject({ code: 0, err: "" });
    const [sentences = "", attempts = "", choices = ""] = explained.out.trimEnd().split("\n\n");
    expect(sentences).toMatch(/^GET \/page\?q=1 of 127\.0\.0\.1:\d+, from 127\.0\.0\.1, at \d{4}-\d\d-\d\dT/);
    expect(sentences).toContain("broken was selected from 2 available upstreams; the other was whole.");
    expect(sentences).toContain("It was retried because of upstream_reset.");
    expect(sentences).toContain("whole was selected as the only upstream left to try.");
    expect(sentences).toContain("The client got 200.");
    const [title, head = "", first = "", second = ""] = attempts.split("\n");
    expect(title).toBe("attempts");
    expect(first).toMatch(/^broken +[\d.]+ .* 0  failure +head +upstream_reset +false$/);
    expect(second).toMatch(/^whole +[\d.]+ .* 200  response +false$/);
    // Numbers are aligned right below their headings, also where some are missing.
    const headEnd = head.indexOf("HEAD MS") + "HEAD MS".length;
    expect(second.slice(0, headEnd)).toMatch(/\d$/);
    expect(choices.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["selections"],
      ["CHOSEN", "CANDIDATES", "AVAILABLE"],
      ["broken", "broken, whole", "2"],
      ["whole", "broken, whole", "2"],
    ]);
    const asJson = JSON.parse((await explain(id, "--json")).out) as { attempts: object[] };
    expect(asJson.attempts).toMatchObject([{ upstream: "broken" }, { upstream: "whole", status: 200 }]);
    expect(await explain("no-such")).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("Cannot explain no-such: no such request is stored"),
    });
    await Promise.all([broken.close(), whole.close()]);
  },
  20_000,
);
